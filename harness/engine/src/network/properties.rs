use std::collections::BTreeMap;
use std::time::Duration;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use shakedown_protocol::mediastream::PROTOCOL;
use shakedown_protocol::requirement::Role;

use super::*;

/// A datagram that is sent: how long after the one before, by whom, how many bytes.
type Sending = (Duration, Role, usize);

fn sendings() -> impl Strategy<Value = Vec<Sending>> {
    let side = prop_oneof![Just(Role::Initiator), Just(Role::Responder)];
    let pause = (0_u64..30_000).prop_map(Duration::from_micros);
    vec((pause, side, 0_usize..200), 1..60)
}

fn micros(most: u64) -> impl Strategy<Value = Duration> {
    (0..=most).prop_map(Duration::from_micros)
}

fn share() -> impl Strategy<Value = f64> {
    let thousandths = (0_u32..=1_000).prop_map(|share| f64::from(share) / 1e3);
    prop_oneof![Just(0.0), Just(1.0), thousandths]
}

fn range() -> impl Strategy<Value = (Duration, Duration)> {
    (micros(50_000), micros(50_000)).prop_map(|(begin, more)| (begin, begin + more))
}

fn side() -> impl Strategy<Value = Option<Role>> {
    option::of(prop_oneof![Just(Role::Initiator), Just(Role::Responder)])
}

fn faults() -> impl Strategy<Value = Vec<Fault>> {
    let kind = prop_oneof![
        Just(FaultKind::Drop),
        Just(FaultKind::Duplicate),
        micros(400_000).prop_map(|by| FaultKind::Delay(by + Duration::from_micros(1))),
        (1_u32..5).prop_map(FaultKind::Reorder),
        any::<u32>().prop_map(FaultKind::Corrupt),
    ];
    let frames = prop::sample::select(PROTOCOL.vocabulary.frames());
    let fault = (frames, 1_u32..9, side(), kind).prop_map(|(frame, nth, from, kind)| Fault {
        frame: frame.to_owned(),
        nth,
        from,
        kind,
    });
    vec(fault, 0..5).prop_map(|mut faults| {
        let mut seen = Vec::new();
        faults.retain(|fault| {
            let is_new = !seen.contains(fault);
            seen.push(fault.clone());
            is_new
        });
        faults
    })
}

prop_compose! {
    fn impairs()(
        from in side(),
        shares in [share(), share(), share(), share(), share()],
        (least, most) in range(),
        jitter in micros(50_000),
        rate in option::of(1_u64..100_000),
        outage in vec((micros(500_000), micros(300_000)), 0..3),
        faults in faults(),
        seed in option::of(any::<u64>()),
    ) -> Impairment {
        let [loss, duplicate, reorder, corrupt, checksum] = shares;
        let outage = outage.into_iter().map(|(begin, more)| (begin, begin + more + Duration::from_micros(1)));
        Impairment {
            from, loss, duplicate, reorder, corrupt, checksum,
            delay: Delay { least, most },
            jitter, rate, outage: outage.collect(), faults, seed,
        }
    }
}

/// What became of the datagrams, the tag their place from 0.
struct Course {
    effects: Vec<Effects>,
    sent: Vec<(Duration, Role, usize)>,
    arrived: Vec<Arrival<usize>>,
    counts: [Counts; 2],
}

fn play(impair: &Impairment, sendings: &[Sending]) -> Course {
    let mut network = Network::new(impair.clone(), PROTOCOL.vocabulary, 1);
    let mut course = Course {
        effects: Vec::new(),
        sent: Vec::new(),
        arrived: Vec::new(),
        counts: [Counts::default(); 2],
    };
    let mut now = Duration::from_secs(3);
    for (tag, (pause, from, length)) in sendings.iter().enumerate() {
        now += *pause;
        course.arrived.extend(arrive(&mut network, now));
        let payload = vec![0x55; *length];
        course.effects.push(network.send(now, *from, tag, payload));
        course.sent.push((now, *from, *length));
    }
    while let Some(deadline) = network.deadline() {
        assert!(deadline >= now || network.on_the_way() > 0);
        course
            .arrived
            .extend(arrive(&mut network, deadline.max(now)));
    }
    assert_eq!(network.on_the_way(), 0);
    course.counts = [Role::Initiator, Role::Responder].map(|side| network.counts(side));
    course
}

fn arrive(network: &mut Network<usize>, now: Duration) -> Vec<Arrival<usize>> {
    std::iter::from_fn(|| network.arrive(now)).collect()
}

impl Course {
    fn of(&self, from: Role) -> impl Iterator<Item = &Arrival<usize>> {
        self.arrived
            .iter()
            .filter(move |arrival| arrival.from == from)
    }

    fn times(&self) -> BTreeMap<usize, usize> {
        let mut times = BTreeMap::new();
        for arrival in &self.arrived {
            *times.entry(arrival.tag).or_default() += 1;
        }
        times
    }
}

proptest! {
    #[test]
    fn every_datagram_arrives_as_often_as_its_fate_says(
        impair in impairs(), sendings in sendings(),
    ) {
        let course = play(&impair, &sendings);
        let times = course.times();
        for (tag, effects) in course.effects.iter().enumerate() {
            let wanted = match (effects.lost, effects.duplicated) {
                (Some(_), _) => 0,
                (None, false) => 1,
                (None, true) => 2,
            };
            prop_assert_eq!(times.get(&tag).copied().unwrap_or(0), wanted);
        }
        let sum = |count: fn(&Counts) -> u64| course.counts.iter().map(count).sum::<u64>();
        let arrived = sum(|it| it.sent) - sum(|it| it.lost) + sum(|it| it.duplicated);
        prop_assert_eq!(arrived, course.arrived.len() as u64);
        prop_assert_eq!(sum(|it| it.sent), sendings.len() as u64);
    }

    #[test]
    fn nothing_is_lost_without_loss(impair in impairs(), sendings in sendings()) {
        let impair = Impairment {
            loss: 0.0, checksum: 0.0, outage: Vec::new(), faults: Vec::new(), rate: None, ..impair
        };
        let course = play(&impair, &sendings);
        prop_assert!(course.effects.iter().all(|effects| effects.lost.is_none()));
    }

    #[test]
    fn order_is_kept_unless_something_lets_datagrams_overtake(
        impair in impairs(), sendings in sendings(),
    ) {
        let impair = Impairment {
            reorder: 0.0, jitter: Duration::ZERO, faults: Vec::new(), ..impair
        };
        let course = play(&impair, &sendings);
        for side in [Role::Initiator, Role::Responder] {
            prop_assert!(course.of(side).is_sorted_by_key(|arrival| arrival.tag));
        }
    }

    #[test]
    fn a_datagram_takes_no_less_and_no_more_than_the_delay_says(
        impair in impairs(), sendings in sendings(),
    ) {
        let impair = Impairment {
            from: None, reorder: 0.0, faults: Vec::new(), rate: None, ..impair
        };
        let Impairment { delay, jitter, .. } = impair;
        for arrival in play(&impair, &sendings).arrived {
            // Sent at 3 s and the pauses up to it.
            let pauses = sendings[..=arrival.tag].iter().map(|(pause, ..)| *pause);
            let took = arrival.at - Duration::from_secs(3) - pauses.sum::<Duration>();
            prop_assert!((delay.least..=delay.most + jitter).contains(&took), "{:?}", took);
        }
    }

    #[test]
    fn the_rate_is_never_exceeded(impair in impairs(), sendings in sendings(), rate in 1_u64..50_000) {
        let impair = Impairment {
            from: None, rate: Some(rate), reorder: 0.0, jitter: Duration::ZERO, faults: Vec::new(),
            ..impair
        };
        let course = play(&impair, &sendings);
        for side in [Role::Initiator, Role::Responder] {
            let arrived: Vec<_> = course.of(side).collect();
            for (index, first) in arrived.iter().enumerate() {
                let mut bytes = 0;
                for later in &arrived[index + 1..] {
                    bytes += later.payload.len();
                    let carries = (later.at - first.at).as_secs_f64() * rate as f64;
                    prop_assert!(bytes as f64 <= carries + 1e-3, "{} of {}", bytes, carries);
                }
            }
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_arrivals(impair in impairs(), sendings in sendings()) {
        prop_assert_eq!(play(&impair, &sendings).arrived, play(&impair, &sendings).arrived);
    }

    #[test]
    fn nothing_is_held_for_longer_than_its_bound(impair in impairs(), sendings in sendings()) {
        let impair = Impairment { rate: None, ..impair };
        let most = impair.delay.most + impair.jitter + LONGEST_EXACT_REORDER + Duration::from_secs(5);
        let course = play(&impair, &sendings);
        for arrival in &course.arrived {
            let (sent, _, _) = course.sent[arrival.tag];
            prop_assert!(arrival.at >= sent);
            prop_assert!(arrival.at <= sent + most);
        }
    }

    #[test]
    fn only_bits_that_the_fate_names_are_flipped(impair in impairs(), sendings in sendings()) {
        let course = play(&impair, &sendings);
        for arrival in &course.arrived {
            let mut sent = vec![0x55; arrival.payload.len()];
            if let Some(bit) = course.effects[arrival.tag].corrupted_bit {
                sent[bit as usize / 8] ^= 1 << (bit % 8);
            }
            prop_assert_eq!(&arrival.payload, &sent);
        }
    }

    #[test]
    fn an_impairment_is_read_as_it_is_written(impair in impairs()) {
        let text = impair.to_string();
        prop_assert_eq!(text.parse::<Impairment>(), Ok(impair.clone()), "{}", text);
        let json = serde_json::to_string(&impair).unwrap();
        prop_assert_eq!(serde_json::from_str::<Impairment>(&json).unwrap(), impair, "{}", json);
    }

    #[test]
    fn no_text_brings_the_reader_down(text in "[a-z=.,#@+:0-9A-Z ]{0,60}") {
        let _ = text.parse::<Impairment>();
    }
}
