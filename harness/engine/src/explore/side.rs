use std::fmt;
use std::str::FromStr;

use shakedown_protocol::pair::Offer;

use super::Side;

impl Side {
    pub(crate) fn offer(&self) -> Offer<'_> {
        Offer {
            mode: &self.mode,
            options: &self.options,
            is_second: false,
        }
    }
}

/// As tables of pairs spell it: the mode, then options: `3way+start3, allow_legacy_start`.
impl FromStr for Side {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = text.split(',').map(str::trim);
        let mode = words.next().unwrap_or_default().replace('+', ",");
        let mut side = Self {
            mode,
            options: Vec::new(),
            without: Vec::new(),
        };
        for word in words {
            // Several modes are written with commas elsewhere: `3way,start3`.
            match is_mode(word) {
                true if side.options.is_empty() => side.mode = format!("{},{word}", side.mode),
                _ => side.options.push(word.to_owned()),
            }
        }
        if side.mode.is_empty() || side.options.iter().any(String::is_empty) {
            return Err(format!(
                "{text:?} is no side; write a mode, then options: \
                 \"MODE+MODE, OPTION\""
            ));
        }
        Ok(side)
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.mode.replace(',', "+"))?;
        for option in &self.options {
            write!(f, ", {option}")?;
        }
        for id in &self.without {
            write!(f, " without {id}")?;
        }
        Ok(())
    }
}

fn is_mode(word: &str) -> bool {
    let mut protocols = shakedown_protocol::PROTOCOLS.iter();
    protocols.any(|protocol| protocol.has_mode(word))
}
