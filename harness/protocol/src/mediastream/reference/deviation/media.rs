//! The rows of media and of the server, which are the table's last ones.

macro_rules! with_media {
    ($($before:tt)*) => { table! {
        $($before)*

        // Media.
        BeginsWith0 = "MS-D-01": "the first frame has number 0" => Sent(MEDIA, |it| it.count(2, |number| number - 1)),
        BeginsWith2 = "MS-D-01/two": "the first frame has number 2" => Sent(MEDIA, |it| it.count(2, one_more)),
        OneLeftOut = "MS-D-01/gap": "number 10 is left out"
            => Sent(MEDIA, |it| it.count(2, |number| number + u64::from(number >= 10))),
        OneTwice = "MS-D-01/same": "number 9 stands twice"
            => Sent(MEDIA, |it| it.count(2, |number| number - u64::from(number >= 10))),
        PartsReversed = "MS-D-02": "the parts of a frame leave in reverse order",
        PartsNumbered = "MS-D-02/number": "each part of a frame but the first has the next number"
            => Sent(FRAGMENT, |it| if it.number(26) > 0 { it.count(2, one_more) }),
        EmptyRest = "MS-D-03": "the last part of a frame is followed by a header alone"
            => Sent(MEDIA, |it| if !it.is_longer_than(1_399) { it.after.push(it.head_alone()) }),
        LastByteLost = "MS-D-03/header": "a rest of one byte is sent without it, as a header alone"
            => Sent(MEDIA, |it| if it.bytes.len() == 27 { it.bytes = it.head_alone() }),
        LastByteOfFragmentsLost = "MS-D-03/fragment": "a fragment of one byte is sent without it, as a header alone"
            => Sent(FRAGMENT, |it| if !it.is_longer_than(43) { it.bytes = it.head_alone() }),
        NoFrequency = "MS-D-04": "QPF is 0" => Sent(MEDIA, |it| it.count(18, |_| 0)),
        FrequencyChanges = "MS-D-04/changes": "QPF doubles at the tenth frame"
            => Sent(MEDIA, |it| if it.sequence() >= 10 { it.count(18, |qpf| 2 * qpf) }),
        ClockFalls = "MS-D-04/falls": "QPC of the tenth frame is that of the first"
            => Sent(MEDIA, |it| if it.sequence() == 10 { it.count(10, |qpc| qpc.saturating_sub(5_000_000)) }),
        ClockFast = "MS-D-05": "QPC advances 10% too fast" => Sent(MEDIA, |it| it.count(10, |qpc| qpc + qpc / 10)),
        ClockStands = "MS-D-05/stands": "QPC stands still" => Sent(MEDIA, |it| it.count(10, |_| 1)),
        TooFast = "MS-D-06": "frames leave 10% too fast" => Paced(|due, _| due * 9 / 10),
        TooSlow = "MS-D-06/slow": "frames leave 10% too slowly" => Paced(|due, _| due * 11 / 10),
        InPairs = "MS-D-06/burst": "ten frames leave at a time"
            => Paced(|due, number| interval(due, number) * up_to(number.next_multiple_of(10))),
        Pause = "MS-D-06/late": "frames from the 20th on leave 10 intervals late"
            => Paced(|due, number| due + interval(due, number) * if number < 20 { 0 } else { 10 }),
        OneFrameMore = "MS-D-07": "there is a frame more than the stream has"
            => Sent(MEDIA, |it| if it.sequence() == it.known.frames { it.after.push(it.next_frame()) }),
        OneFrameLate = "MS-D-07/late" Responder: "2 s after the stream there is a frame more",
        SynEndsAnother = "MS-D-07/other": "a SYN or START of another peer ends the stream"
            => Taken(HANDSHAKE, |it| if !it.known.session && matches!(it.flag(), flag::SYN | flag::START) {
                it.ends = it.known.other.map(|(other, _)| other);
            }),
        NamesakeEnds = "MS-D-07/wish": "a SYN with the wish of another peer ends the stream of that peer",
        OneFrameLess = "MS-D-07/few": "the last frame is not sent"
            => Sent(MEDIA, |it| it.lose_if(it.sequence() == it.known.frames)),
        DuplicatesUncounted = "MS-D-08": "duplicate frames are not counted"
            => Uncounted("duplicates"),
        JoinFlushes = "MS-D-08/join" Responder: "another JOIN makes the numbers of an upload new",
        DuplicatesCount = "MS-D-09/counts" Initiator: "a frame that comes again counts as another one",
        SameNumbersNew = "MS-D-09" Initiator: "restarted numbers after another connection id are duplicates"
            => Taken(NAME, |it| it.lose_if(it.known.session && !it.known.pending)),
        SameNumbersSame = "MS-D-10" Initiator: "numbers of another connection id count as duplicates"
            => Taken(NAME, |it| it.lose_if(it.known.session && !it.known.pending)),
        AnyCaseSame = "MS-D-09/case" Initiator: "an id in other letters is the same id"
            => Taken(NAME, |it| it.edit_id_bytes(|byte| byte.to_ascii_lowercase())),
        BeginningsSame = "MS-D-09/first" Initiator: "ids are compared by their first eight bytes"
            => Taken(NAME, |it| if let Some(id) = it.id() { it.set_id(short(&id)) }),
        EndingsSame = "MS-D-09/last" Initiator: "ids are compared by their last twelve bytes"
            => Taken(NAME, |it| if let Some(id) = it.id() { it.set_id(ending(&id)) }),
        SpacesSame = "MS-D-09/spaces" Initiator: "an id with a space at its end is the one without it"
            => Taken(NAME, |it| it.trim_id()),
        LossySame = "MS-D-09/utf-8" Initiator: "bytes of an id that are no UTF-8 are all the same"
            => Taken(NAME, |it| it.edit_id_bytes(|byte| if byte.is_ascii() { byte } else { b'?' })),
        UploadsAreOne = "MS-D-09/upload" Responder: "numbers of an upload are duplicates in the next of the same client",
        UploadIdsAreOne = "MS-D-10/upload" Responder: "two uploads of a client under two ids are one",
        SameIdNew = "MS-D-09/again" Initiator: "the same connection id again makes numbers new",
        ManyFramesLost = "MS-D-11/many" Initiator: "frames above number 4,096 are dropped"
            => Taken(MEDIA, |it| it.lose_if(it.sequence() > 4_096)),
        PatternFrom1 = "MS-D-11" Responder: "the pattern begins at 1"
            => Sent(MEDIA, |it| it.shift_pattern()),
        PatternSwapped = "MS-D-11/swapped" Responder: "the pattern is big-endian"
            => Sent(MEDIA, |it| (it.header()..it.bytes.len().saturating_sub(1)).step_by(2).for_each(|at| it.bytes.swap(at, at + 1))),
        AtOnce = "MS-D-12": "the first frame leaves at once" => Paced(|due, number| due - interval(due, number)),
        HalfASecond = "MS-D-12/late": "the first frame leaves half a second late"
            => Paced(|due, _| due + Duration::from_millis(500)),
        HeaderMore = "MS-D-13": "a frame is larger by its header" => Sent(MEDIA, |it| it.grow(26)),
        ByteLess = "MS-D-13/short": "a frame is a byte shorter" => Sent(MEDIA, |it| it.grow(-1)),
        TotalDiffers = "MS-R-01": "TotalLength grows with each fragment"
            => Sent(FRAGMENT, |it| it.set(34, &(it.number(34) + it.number(26)).to_le_bytes())),
        PastTheTotal = "MS-R-01/past": "the last fragment ends a byte after TotalLength"
            => Sent(FRAGMENT, |it| if !it.is_longer_than(1_399) { it.count(26, one_more) }),
        PastTheTotalUncounted = "MS-R-02": "fragments that reach past their frame are not counted"
            => Uncounted("validation_errors"),
        PastTheTotalTaken = "MS-R-02/taken" Initiator: "a fragment that reaches past its frame makes it longer"
            => Taken(FRAGMENT, |it| it.stretch()),
        OtherTotalTaken = "MS-R-02/total" Initiator: "fragments of one frame may have other TotalLengths than its first"
            => Taken(FRAGMENT, |it| it.set(34, &958_u64.to_le_bytes())),
        IncompleteUncounted = "MS-R-05": "frames that stay incomplete are not counted"
            => Uncounted("reassembly_timeouts"),
        LargestUncounted = "MS-R-06": "frames above 16 MiB are not counted"
            => Uncounted("resource_rejections"),
        LowNumbersAlike = "MS-D-08/byte" Initiator: "numbers are compared by their last byte"
            => Taken(MEDIA, |it| it.count(2, |number| number & 0xFF)),
        LargeByItsLowBits = "MS-R-06/32" Initiator: "TotalLength is read as a number of 32 bits"
            => Taken(FRAGMENT, |it| it.count(34, |total| total & 0xFFFF_FFFF)),
        MixtureUncounted = "MS-R-07": "parts of the other kind are not counted"
            => Uncounted("validation_errors"),

        // The server.
        JoinSends = "MS-X-01": "JOIN makes the server a sender",
        MediaJoins = "MS-X-01/media": "media of a stranger makes the server a receiver",
        FirstUploadTakes = "MS-X-01/first" Responder: "the media of whatever client goes into the first upload",
        NobodyWaits = "MS-X-02": "a request for which no slot is free is forgotten",
        OneSlotMore = "MS-X-02/more": "there is one slot more"
            => Setting(|it| it.slots = it.slots.map(|slots| slots + 1)),
        AnySlotServes = "MS-X-02/role": "when a slot frees, a request is served that waits for the other role",
        SilentSinceJoin = "MS-X-02/since" Responder: "the buffer period of an upload runs from its JOIN on",
        EndCompletes = "MS-X-02/part" Responder: "a frame of an upload is complete with its last fragment",
        WaitsTwice = "MS-X-04": "a remote that waits and asks again has a second place among those that wait",
        ConnectedBeginsAnew = "MS-X-04/connected": "a request of a remote that is connected begins its stream anew"
            => Taken(TOKEN, |it| it.end_if(it.known.session)),
        RolesMix = "MS-X-04/role": "a remote that is connected gets a slot of the other role, too",
        SilentTooSoon = "MS-X-05/early" Responder: "an upload is over after half a buffer period without media"
            => Setting(|it| it.buffer_period /= 2),
        JoinRenames = "MS-X-04/name" Responder: "another JOIN of a client that uploads is answered by another id",
        SlotsAreLost = "MS-X-05": "the slot of a connection that closed is not free",
        AllFailTogether = "MS-X-07": "an upload that fails ends all streams",
        UploadsFailTogether = "MS-X-07/uploads": "an upload that fails ends all uploads",
    } };
}
