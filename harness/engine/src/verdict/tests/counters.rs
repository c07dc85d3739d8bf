use super::*;

#[test]
fn what_counters_show_is_judged_by_them_and_by_nothing_else() {
    let case = |counter: Option<Counter>| Case {
        counters: counter
            .map(|counter| ("duplicates".to_owned(), counter))
            .into_iter()
            .collect(),
        requirements: vec!["MS-H-12", "MS-D-08"],
        judged: vec!["MS-H-12", "MS-D-08"],
        counted: json!([
            { "counter": "duplicates", "is": { "at_least": 10 }, "requirement": "MS-D-08" },
        ]),
        ..Case::passed()
    };
    let unseen = Counter::Unseen("there is no [observe]".to_owned());
    let unreadable = Counter::Unreadable("no JSON".to_owned());
    for (counter, verdict, why) in [
        (Some(Counter::Is(10)), Verdict::Pass, ""),
        (Some(Counter::Is(9)), Verdict::Fail, ""),
        (
            Some(unseen),
            Verdict::NotObserved,
            "not observed: MS-D-08, for there is no [observe]",
        ),
        (
            Some(unreadable),
            Verdict::Inconclusive,
            "not judged: MS-D-08 (no JSON)",
        ),
        (None, Verdict::NotObserved, ""),
    ] {
        let case = case(counter);
        assert_eq!((case.of("MS-D-08"), case.verdict()), (verdict, verdict));
        assert_eq!(case.of("MS-H-12"), Verdict::Pass);
        let reason = case.composed().verdict.reason.unwrap_or_default();
        assert!(reason.contains(why), "{reason}");
    }
    let found = case(Some(Counter::Is(9))).composed().findings;
    let message = "expected to have counted duplicates: at least 10, got 9";
    assert_eq!(found[0].message, message);
}

#[test]
fn of_several_counters_those_that_are_seen_judge() {
    let case = |duplicates: Counter, frames: Counter| Case {
        counters: CounterValues::from([
            ("duplicates".to_owned(), duplicates),
            ("frames".to_owned(), frames),
        ]),
        requirements: vec!["MS-H-12", "MS-D-08"],
        judged: vec!["MS-H-12"],
        counted: json!([
            { "counter": "duplicates", "is": 10, "requirement": "MS-D-08" },
            { "counter": "frames", "is": 50, "requirement": "MS-D-08" },
        ]),
        ..Case::passed()
    };
    let unseen = || Counter::Unseen("[observe] does not name it".to_owned());
    for (duplicates, frames, verdict) in [
        (Counter::Is(10), Counter::Is(50), Verdict::Pass),
        (Counter::Is(10), Counter::Is(49), Verdict::Fail),
        (Counter::Is(10), unseen(), Verdict::Pass),
        (unseen(), Counter::Is(49), Verdict::Fail),
        (unseen(), unseen(), Verdict::NotObserved),
    ] {
        let case = case(duplicates, frames);
        assert_eq!((case.of("MS-D-08"), case.verdict()), (verdict, verdict));
    }
}

#[test]
fn counters_say_nothing_of_a_conversation_that_broke_off() {
    let case = Case {
        counters: CounterValues::from([("duplicates".to_owned(), Counter::Is(10))]),
        counted: json!([{ "counter": "duplicates", "is": 9, "requirement": "MS-D-08" }]),
        ..Case::failed("MS-H-12")
    };
    assert_eq!(case.of("MS-D-08"), Verdict::NotObserved);
    assert_eq!(case.composed().findings.len(), 1);
}

#[test]
fn counters_that_cannot_be_found_are_told_with_what_there_is() {
    let json =
        json!({ "rx": { "dup": 3, "bad": { "short": 2, "long": 5 }, "mean": 0.5, "less": -1 } });
    let read = |pointer: &str| {
        let places = [("duplicates".to_owned(), pointer.to_owned())].into();
        Counter::read("duplicates", &places, &json)
    };
    let why = |pointer: &str| match read(pointer) {
        Counter::Unreadable(why) => why,
        other => panic!("{other:?}"),
    };
    assert_eq!(read("/rx/dup"), Counter::Is(3));
    assert_eq!(read("/rx/bad"), Counter::Is(7));
    assert_eq!(
        why("/dup"),
        "duplicates is to be at \"/dup\", and nothing is there; numbers are at \"/rx/dup\", \
         \"/rx/bad/short\", \"/rx/bad/long\", \"/rx/mean\", \"/rx/less\""
    );
    for (pointer, shown) in [("/rx/mean", "0.5"), ("/rx/less", "-1"), ("/rx", "{")] {
        let why = why(pointer);
        assert!(why.contains(&format!("and there is {shown}")), "{why}");
    }
}
