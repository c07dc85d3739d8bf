use std::collections::BTreeSet;

use shakedown_protocol::pair::{Demand, Offer, Pairs};
use shakedown_protocol::requirement::Role;
use shakedown_protocol::{Protocol, StreamParameters};

use crate::iut::Iut;
use crate::scenario::Needs;

use super::SideEvent;

/// One side of a pair: an implementation, set up in one way.
#[derive(Debug, Clone, PartialEq)]
pub struct Side {
    /// Which description, counted from 0.
    pub iut: usize,
    pub name: String,
    /// The options that make it another side, by which it is called.
    pub options: Vec<String>,
    /// How it is started.
    pub needs: Needs,
    /// How an implementation of the same name is started before it, which is there when it asks.
    pub earlier: Option<Needs>,
}

impl Side {
    /// How it is set up, as the protocol takes it.
    #[must_use]
    pub fn offer(&self) -> Offer<'_> {
        Offer {
            mode: &self.needs.mode,
            options: &self.needs.options,
            is_second: self.earlier.is_some(),
        }
    }

    /// The same for events.
    #[must_use]
    pub fn event(&self) -> SideEvent {
        SideEvent {
            name: self.name.clone(),
            mode: self.needs.mode.clone(),
            options: self.options.clone(),
        }
    }
}

/// An initiator and a responder that are set against each other.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// Its id, which is a path: `server/3way.allow_legacy_start/player/legacy`.
    pub id: String,
    pub initiator: Side,
    pub responder: Side,
    pub stream: StreamParameters,
    /// What the specification demands.
    pub demand: Demand,
}

/// Why descriptions make no matrix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MatrixError {
    /// There is no protocol of this name.
    #[error("{name:?} speaks {protocol:?}, and there is no such protocol")]
    NoProtocol { name: String, protocol: String },
    /// The specification says nothing of pairs.
    #[error("{protocol} has no interoperability table")]
    NoPairs { protocol: &'static str },
    /// They speak different protocols.
    #[error(
        "{first:?} speaks {one} and {second:?} speaks {other}; give each protocol a matrix of its own"
    )]
    Protocols {
        first: String,
        one: String,
        second: String,
        other: String,
    },
    /// There is no implementation of this role.
    #[error(
        "no implementation is the {missing}: {described}; add the description of an implementation with \
         `role = \"{missing}\"`"
    )]
    NoSuchSide { missing: Role, described: String },
    /// A description is there twice.
    #[error(
        "{name:?} is described as {role} twice; give each implementation a name of its own, and \
         each description once"
    )]
    Twice { name: String, role: Role },
    /// Two sides do not stream the same and neither can be asked to.
    #[error(
        "{initiator:?} asks for {wanted} and {responder:?} streams {supplied}; write the same \
         `[stream]` in both descriptions, or put {{bits_per_second}}, {{frames_per_second}} and \
         {{seconds}} into one command"
    )]
    Streams {
        initiator: String,
        /// What it asks for.
        wanted: String,
        responder: String,
        supplied: String,
    },
}

/// Every responder with every initiator, each in every mode that it claims, without options and with
/// each option that changes whom it gets along with.
///
/// # Errors
/// [`MatrixError`], a human-readable sentence.
pub fn pairs(iuts: &[Iut]) -> Result<(&'static Protocol, Vec<Pair>), MatrixError> {
    let protocol = common_protocol(iuts)?;
    let known = protocol.pairs.ok_or(MatrixError::NoPairs {
        protocol: protocol.id,
    })?;
    for (n, iut) in iuts.iter().enumerate() {
        if iuts[..n]
            .iter()
            .any(|other| other.name == iut.name && other.role == iut.role)
        {
            return Err(MatrixError::Twice {
                name: iut.name.clone(),
                role: iut.role,
            });
        }
    }
    let responders = sides(&known, iuts, Role::Responder)?;
    let initiators = sides(&known, iuts, Role::Initiator)?;
    let slugs = slugs(iuts);
    let mut pairs = Vec::new();
    for responder in &responders {
        for initiator in &initiators {
            let stream = stream(&iuts[initiator.iut], &iuts[responder.iut])?;
            let mut pair = Pair {
                id: format!("{}/{}", place(responder, &slugs), place(initiator, &slugs)),
                initiator: initiator.clone(),
                responder: responder.clone(),
                stream,
                demand: (known.demand)(&initiator.offer(), &responder.offer()),
            };
            pair.initiator.needs.stream = Some(stream);
            pair.responder.needs.stream = Some(stream);
            if let Some(earlier) = &mut pair.initiator.earlier {
                earlier.stream = Some(stream);
            }
            pairs.push(pair);
        }
    }
    Ok((protocol, pairs))
}

fn common_protocol(iuts: &[Iut]) -> Result<&'static Protocol, MatrixError> {
    let Some(first) = iuts.first() else {
        return Err(MatrixError::NoSuchSide {
            missing: Role::Responder,
            described: String::from("no description was given"),
        });
    };
    if let Some(second) = iuts.iter().find(|iut| iut.protocol != first.protocol) {
        return Err(MatrixError::Protocols {
            first: first.name.clone(),
            one: first.protocol.clone(),
            second: second.name.clone(),
            other: second.protocol.clone(),
        });
    }
    let protocol = shakedown_protocol::protocol(&first.protocol);
    protocol.ok_or_else(|| MatrixError::NoProtocol {
        name: first.name.clone(),
        protocol: first.protocol.clone(),
    })
}

/// The implementations of a role in every setup.
fn sides(known: &Pairs, iuts: &[Iut], role: Role) -> Result<Vec<Side>, MatrixError> {
    let mut sides = Vec::new();
    for (index, iut) in iuts.iter().enumerate().filter(|(_, iut)| iut.role == role) {
        let claims = |option: &&'static str| {
            let name = option.split('=').next().unwrap_or_default();
            let start = iut.start.as_ref();
            start.is_some_and(|start| start.options.contains_key(name))
        };
        let work: Vec<_> = (known.work)(role).iter().copied().filter(claims).collect();
        for mode in &iut.modes {
            let needs = |options: &[&str]| Needs {
                role,
                mode: mode.clone(),
                options: options.iter().map(ToString::to_string).collect(),
                plain: false,
                stream: None,
                stream_has: None,
                buffer_period: None,
            };
            let options = (known.options)(role, mode);
            let setups = options.into_iter().filter(claims).map(Some);
            for option in std::iter::once(None).chain(setups) {
                let own: Vec<_> = option.into_iter().collect();
                let needs_all = needs(&[&own[..], &work].concat());
                let mut side = Side {
                    iut: index,
                    name: iut.name.clone(),
                    options: needs(&own).options,
                    needs: needs_all,
                    earlier: None,
                };
                let earlier = (known.earlier)(&side.offer());
                let earlier = earlier.filter(|options| options.iter().all(&claims));
                side.earlier = earlier.map(needs);
                sides.push(side);
            }
        }
    }
    if sides.is_empty() {
        let names = iuts
            .iter()
            .map(|iut| format!("{:?} is the {}", iut.name, iut.role));
        return Err(MatrixError::NoSuchSide {
            missing: role,
            described: names.collect::<Vec<_>>().join(", "),
        });
    }
    Ok(sides)
}

/// What both can stream: the responder's own stream, if the initiator's command accepts it.
fn stream(initiator: &Iut, responder: &Iut) -> Result<StreamParameters, MatrixError> {
    if initiator.can_stream(false, &responder.stream) {
        return Ok(responder.stream);
    }
    if responder.can_stream(false, &initiator.stream) {
        return Ok(initiator.stream);
    }
    let result = |stream: &StreamParameters| {
        let StreamParameters {
            bits_per_second,
            frames_per_second,
            seconds,
        } = stream;
        format!("{bits_per_second} bit/s in {frames_per_second} frames/s for {seconds} s")
    };
    Err(MatrixError::Streams {
        initiator: initiator.name.clone(),
        wanted: result(&initiator.stream),
        responder: responder.name.clone(),
        supplied: result(&responder.stream),
    })
}

/// The implementations' names as names of folders, each another one.
fn slugs(iuts: &[Iut]) -> Vec<String> {
    let mut taken = BTreeSet::new();
    let mut slugs = Vec::new();
    for (index, iut) in iuts.iter().enumerate() {
        let mut slug = slug(&iut.name);
        if slug.is_empty() || taken.contains(&slug) {
            slug = format!(
                "{slug}{}{}",
                if slug.is_empty() { "" } else { "-" },
                index + 1
            );
        }
        taken.insert(slug.clone());
        slugs.push(slug);
    }
    slugs
}

/// `Acme player 7` is `acme-player-7`.
fn slug(name: &str) -> String {
    let words = name.split(|letter: char| !letter.is_ascii_alphanumeric());
    let words: Vec<_> = words
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    let joined = words.join("-");
    joined.chars().take(60).collect()
}

/// Where a side stands in the ids of its pairs.
fn place(side: &Side, slugs: &[String]) -> String {
    let mode = side.needs.mode.replace(',', "+");
    let setup: Vec<_> = std::iter::once(&mode)
        .chain(&side.options)
        .cloned()
        .collect();
    format!("{}/{}", slugs[side.iut], setup.join("."))
}
