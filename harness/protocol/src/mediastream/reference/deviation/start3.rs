//! The rows of `start3`.

macro_rules! with_start3 {
    ($($before:tt)*) => { with_media! {
        $($before)*

        // start3.
        StartOfVersion2 = "MS-S-01": "START has Version 2" => Sent(START, |it| it.edit(26, |_| 2)),
        StartOfStream0 = "MS-S-01/stream": "START has StreamId 0" => Sent(START, |it| it.count(30, |_| 0)),
        StartWithSender = "MS-S-01/sender": "START has a SenderNonce" => Sent(START, |it| it.count(46, |_| 1)),
        AckOfAnotherStream = "MS-S-02": "START_ACK has a StreamId one higher" => Sent(START_ACK, |it| it.count(30, one_more)),
        AckOfAnotherNonce = "MS-S-02/nonce": "START_ACK has a Nonce one higher" => Sent(START_ACK, |it| it.count(38, one_more)),
        AckWithoutSender = "MS-S-02/sender": "START_ACK has SenderNonce 0" => Sent(START_ACK, |it| it.count(46, |_| 0)),
        AckOfNothing = "MS-S-02/parameters": "START_ACK has no parameters" => Sent(START_ACK, |it| it.strip(|_| true)),
        StartFindsSlotsTaken = "MS-S-02/slot": "a stream that is over keeps its slot: STARTs get ERROR 4",
        LastTlvCounts = "MS-S-02/last": "of two TLVs of one type the last counts"
            => Taken(HANDSHAKE, |it| it.reverse_tlvs()),
        ConfirmsAnotherStream = "MS-S-03": "START_CONFIRM has a StreamId one higher" => Sent(CONFIRM, |it| it.count(30, one_more)),
        ConfirmsAnotherNonce = "MS-S-03/nonce": "START_CONFIRM has a Nonce one higher" => Sent(CONFIRM, |it| it.count(38, one_more)),
        ConfirmsAnotherSender = "MS-S-03/sender": "START_CONFIRM has a SenderNonce one higher" => Sent(CONFIRM, |it| it.count(46, one_more)),
        ConfirmsSwapped = "MS-S-03/swapped": "START_CONFIRM has the two nonces swapped"
            => Sent(CONFIRM, |it| it.set_identity(it.identity().swapped())),
        NoConfirm = "MS-S-03/silent": "a START_ACK is not answered" => Sent(CONFIRM, |it| it.lose()),
        MediaBeforeConfirm = "MS-S-04": "media flows before the START_CONFIRM, though START_ACK did not say so",
        BeginsUnsaid = "MS-S-04/flag": "START_ACK does not say that media flows at once"
            => Sent(START_ACK, |it| it.edit(28, |bits| bits & !4)),
        AnyStreamConfirmed = "MS-S-05": "a START_ACK of another stream is taken"
            => Taken(START_ACK, |it| if it.is_of_another_stream() { it.take_as(|its, own| own.with_sender(its.sender_nonce)) }),
        AnyStreamIgnored = "MS-S-05/silent": "a START_ACK of another stream is dropped"
            => Taken(START_ACK, |it| it.lose_if(it.is_of_another_stream())),
        AnyStreamMiscoded = "MS-S-05/code": "a START_ACK of another stream gets ERROR 6"
            => Sent(ERROR, |it| it.set_code(ErrorCode::StreamIdMismatch, ErrorCode::NonceMismatch)),
        AnyStreamOpen = "MS-S-05/open": "a START_ACK of another stream gets ERROR 5, and the session goes on"
            => Taken(START_ACK, |it| if it.is_of_another_stream() { it.object(ErrorCode::StreamIdMismatch) }),
        AnyNonce = "MS-S-06": "a Nonce that is not the session's is taken"
            => Taken(START_ACK_OR_CONFIRM, |it| it.take_as(|its, own| if its.stream_id == own.stream_id { its.with_nonce(own.nonce) } else { its })),
        AnySender = "MS-S-06/sender": "a SenderNonce that is not the session's is taken"
            => Taken(START_ACK_OR_CONFIRM, |it| it.take_sender_if(|_, _| true)),
        NearSender = "MS-S-06/near": "a SenderNonce one higher is taken"
            => Taken(START_ACK_OR_CONFIRM, |it| it.take_sender_if(|its, own| its.sender_nonce == own.sender_nonce.wrapping_add(1))),
        SenderOfSevenBytes = "MS-S-06/byte" Responder: "a SenderNonce is compared without its highest byte"
            => Taken(CONFIRM, |it| it.take_sender_if(|its, own| (its.sender_nonce ^ own.sender_nonce) << 8 == 0)),
        ZeroSender = "MS-S-06/zero" Responder: "SenderNonce 0 is taken"
            => Taken(CONFIRM, |it| it.take_sender_if(|its, _| its.sender_nonce == 0)),
        NonceAsSender = "MS-S-06/swapped" Responder: "a START_CONFIRM with the two nonces swapped is taken"
            => Taken(CONFIRM, |it| if it.known.identity == Some(it.identity().swapped()) { it.set_identity(it.identity().swapped()) }),
        NoncesByXor = "MS-S-06/xor": "of the two nonces the exclusive or is compared"
            => Taken(START_ACK_OR_CONFIRM, |it| it.take_nonces_if(|its, own| its.nonce ^ its.sender_nonce == own.nonce ^ own.sender_nonce)),
        NoncesBySum = "MS-S-06/sum": "of the two nonces the sum is compared"
            => Taken(START_ACK_OR_CONFIRM, |it| it.take_nonces_if(|its, own| its.nonce.wrapping_add(its.sender_nonce) == own.nonce.wrapping_add(own.sender_nonce))),
        NoncesByHalves = "MS-S-06/halves": "of the halves of each nonce the exclusive or is compared"
            => Taken(START_ACK_OR_CONFIRM, |it| it.take_nonces_if(|its, own| halves_xor(its.nonce) == halves_xor(own.nonce)
                && halves_xor(its.sender_nonce) == halves_xor(own.sender_nonce))),
        NoncesByHalvesSum = "MS-S-06/halves-sum" Responder: "of the halves of each nonce the sum is compared"
            => Taken(CONFIRM, |it| it.take_nonces_if(|its, own| halves_sum(its.nonce) == halves_sum(own.nonce)
                && halves_sum(its.sender_nonce) == halves_sum(own.sender_nonce))),
        NonceOf63Bits = "MS-S-06/sign" Responder: "a Nonce is compared without its highest bit"
            => Taken(CONFIRM, |it| it.take_nonces_if(|its, own| its.sender_nonce == own.sender_nonce && its.nonce << 1 == own.nonce << 1)),
        NonceAsFloat = "MS-S-06/float" Responder: "a Nonce above 2^53 is compared without its lowest bits"
            => Taken(CONFIRM, |it| it.take_nonces_if(|its, own| its.sender_nonce == own.sender_nonce
                && own.nonce >> 53 != 0 && its.nonce >> 8 == own.nonce >> 8)),
        OthersSender = "MS-S-06/session" Responder: "the SenderNonce of another session is taken"
            => Taken(CONFIRM, |it| if it.known.other.and_then(|(_, its)| its).is_some_and(|its| its.sender_nonce == it.identity().sender_nonce) { it.take_sender_if(|_, _| true) }),
        MismatchIgnored = "MS-S-06/silent": "no ERROR 6 is sent"
            => Sent(ERROR, |it| it.lose_if(it.is_error(ErrorCode::NonceMismatch))),
        MismatchMiscoded = "MS-S-06/code": "a wrong nonce gets ERROR 5"
            => Sent(ERROR, |it| it.set_code(ErrorCode::NonceMismatch, ErrorCode::StreamIdMismatch)),
        MismatchOpen = "MS-S-06/open": "a wrong nonce gets ERROR 6, and the session goes on"
            => Taken(START_ACK_OR_CONFIRM, |it| if it.has_another_nonce() { it.object(ErrorCode::NonceMismatch) }),
        MalformedMiscoded = "MS-S-07": "a malformed START gets ERROR 3"
            => Sent(ERROR, |it| it.set_code(ErrorCode::Malformed, ErrorCode::InvalidParameters)),
        MalformedIgnored = "MS-S-07/malformed": "a malformed START is not answered"
            => Sent(ERROR, |it| it.lose_if(it.is_error(ErrorCode::Malformed))),
        VersionMiscoded = "MS-S-07/version": "a START of another Version gets ERROR 1"
            => Sent(ERROR, |it| it.set_code(ErrorCode::UnsupportedVersion, ErrorCode::Malformed)),
        ParametersMiscoded = "MS-S-07/parameters": "invalid parameters get ERROR 1"
            => Sent(ERROR, |it| it.set_code(ErrorCode::InvalidParameters, ErrorCode::Malformed)),
        FullMiscoded = "MS-S-07/resources": "a START for which there is no room gets ERROR 3"
            => Sent(ERROR, |it| it.set_code(ErrorCode::ResourcesUnavailable, ErrorCode::InvalidParameters)),
        FullIgnored = "MS-S-07/full": "a START for which there is no room is not answered"
            => Sent(ERROR, |it| it.lose_if(it.is_error(ErrorCode::ResourcesUnavailable))),
        RefusedIsKept = "MS-S-07/kept": "a START that was refused has a session",
        StartOnce = "MS-S-08": "an unanswered START (`0x0200`) is not sent again" => Repeats(Start, ONCE),
        StartEarly = "MS-S-08/early": "a START is sent again after 250 ms" => Repeats(Start, FIRST_EARLY),
        StartNear = "MS-S-08/near": "a START is sent again after 400 ms" => Repeats(Start, FIRST_NEAR),
        StartLate = "MS-S-08/late": "a START is sent again after a second" => Repeats(Start, FIRST_LATE),
        StartSecondEarly = "MS-S-08/constant": "the wait for START_ACK does not double" => Repeats(Start, SECOND_EARLY),
        StartSecondLate = "MS-S-08/fourfold": "the wait for START_ACK becomes four times as long" => Repeats(Start, SECOND_LATE),
        StartFourTimes = "MS-S-08/four": "a START is sent four times" => Repeats(Start, FOUR),
        StartTwice = "MS-S-08/two": "a START is sent twice" => Repeats(Start, TWO),
        Error7PutsStartOff = "MS-S-08/seven": "ERROR 7 puts the next START off",
        StartForever = "MS-S-09": "STARTs are sent for ever" => Repeats(Start, FOREVER),
        StartGivesUpEarly = "MS-S-09/early": "it gives up with its third START" => Repeats(Start, LAST_SHORT),
        StartGivesUpNear = "MS-S-09/near": "it gives up 150 ms too early after its third START" => Repeats(Start, LAST_NEAR),
        StartGivesUpLate = "MS-S-09/late": "it waits 6 s after its third START" => Repeats(Start, LAST_LONG),
        StartEndsWell = "MS-S-09/status": "it ends well when no START was answered"
            => Ends(Mode::Start3, "timeout", |_| Completed),
        StartCrashes = "MS-S-09/crash": "it crashes when no START was answered"
            => Ends(Mode::Start3, "timeout", crash),
        NoStartFallback = "MS-S-09/fallback": "it does not fall back to the START token, though compatibility is on",
        CompatUnsaid = "MS-S-10": "COMPAT_MODE is never set" => Sent(START, |it| it.edit(28, |bits| bits & !2)),
        CompatAlways = "MS-S-10/always": "COMPAT_MODE is always set" => Sent(START, |it| it.edit(28, |bits| bits | 2)),
        CompatOnce = "MS-S-10/again": "COMPAT_MODE is set in the first START only"
            => Sent(START, |it| if it.known.sends > 0 { it.edit(28, |bits| bits & !2) }),
        RepeatedStartBeginsAnew = "MS-S-11": "a repeated START (`0x0200`) is a new request: another START_ACK"
            => Taken(START, |it| it.end_if(it.is_repeated_start())),
        RepeatedStartUnanswered = "MS-S-11/silent": "a repeated START is not answered"
            => Taken(START, |it| it.lose_if(it.is_repeated_start())),
        RepeatedStartAnsweredOnce = "MS-S-11/third": "a START that is repeated more than once is not answered"
            => Taken(START, |it| it.lose_if(it.known.pending && it.is_repeated_start() && it.known.sent > 1)),
        AnyNonceAnswered = "MS-S-11/nonce": "a START with the StreamId of the session and another Nonce gets its START_ACK"
            => Taken(START, |it| it.take_as(|its, own| if its.stream_id == own.stream_id { its.with_nonce(own.nonce) } else { its })),
        NonceOfSevenBytes = "MS-S-11/byte": "the Nonce of a START is compared without its highest byte"
            => Taken(START, |it| it.take_as(|its, own| if its.stream_id == own.stream_id && (its.nonce ^ own.nonce) << 8 == 0 { its.with_nonce(own.nonce) } else { its })),
        DuplicateMiscoded = "MS-S-11/code": "the same StreamId with another Nonce gets ERROR 7"
            => Sent(ERROR, |it| it.set_code(ErrorCode::DuplicateStreamId, ErrorCode::UnexpectedFrame)),
        DuplicateIgnored = "MS-S-11/ignored": "the same StreamId with another Nonce is not answered"
            => Sent(ERROR, |it| it.lose_if(it.is_error(ErrorCode::DuplicateStreamId))),
        ConfirmOnce = "MS-S-12": "a repeated START_ACK is not answered"
            => Taken(START_ACK, |it| it.lose_if(it.known.session && !it.known.pending && !it.is_of_another_stream() && !it.has_another_nonce())),
        OtherConfirm = "MS-S-12/other": "a repeated START_ACK is answered by another START_CONFIRM"
            => Sent(CONFIRM, |it| if !it.known.pending { it.count(46, one_more) }),
        RepeatedStartAckForgets = "MS-S-12/anew": "a repeated START_ACK makes it forget the frames that came",
        StartAckOnce = "MS-S-13": "START_ACK is sent once, and the half-open session waits for its age" => Repeats(StartAck, ONCE),
        StartAckEarly = "MS-S-13/early": "a START_ACK is sent again after 250 ms" => Repeats(StartAck, FIRST_EARLY),
        StartAckNear = "MS-S-13/near": "a START_ACK is sent again after 400 ms" => Repeats(StartAck, FIRST_NEAR),
        StartAckLate = "MS-S-13/late": "a START_ACK is sent again after a second" => Repeats(StartAck, FIRST_LATE),
        StartAckSecondEarly = "MS-S-13/constant": "the wait for START_CONFIRM does not double" => Repeats(StartAck, SECOND_EARLY),
        StartAckSecondLate = "MS-S-13/fourfold": "the wait for START_CONFIRM becomes four times as long" => Repeats(StartAck, SECOND_LATE),
        StartAckFourTimes = "MS-S-13/four": "a START_ACK is sent four times" => Repeats(StartAck, FOUR),
        StartAckTwice = "MS-S-13/two": "a START_ACK is sent twice" => Repeats(StartAck, TWO),
        PendingLong = "MS-S-13/kept": "a session is kept for 6 s after the third START_ACK" => Repeats(StartAck, LAST_LONG),
        PendingShort = "MS-S-13/dropped": "a session is closed with the third START_ACK" => Repeats(StartAck, LAST_SHORT),
        TimeoutUnsaid = "MS-S-13/silent": "no ERROR 8 is sent"
            => Sent(ERROR, |it| it.lose_if(it.is_error(ErrorCode::Timeout))),
        TimeoutMiscoded = "MS-S-13/code": "a session that is not confirmed ends by ERROR 4"
            => Sent(ERROR, |it| it.set_code(ErrorCode::Timeout, ErrorCode::ResourcesUnavailable)),
        StartSetsTimers = "MS-S-13/reset": "a repeated START begins the timers of START_ACK anew",
        StartCounts = "MS-S-13/counts": "the answer to a repeated START counts as a repetition of START_ACK",
        StartAckAfterConfirm = "MS-S-13/on": "START_ACK is sent again after the START_CONFIRM came",
        TimedOutStreams = "MS-S-13/media": "media that began at once goes on after ERROR 8",
        AnyFrameRate = "MS-S-14": "FrameRate of START_ACK is not looked at"
            => Taken(START_ACK, |it| it.strip(|of| of == kind::FRAME_RATE)),
        AnyBitRate = "MS-S-14/bit-rate": "BitRate of START_ACK is not looked at"
            => Taken(START_ACK, |it| it.strip(|of| of == kind::BIT_RATE)),
        AnyLength = "MS-S-14/length": "StreamLength of START_ACK is not looked at"
            => Taken(START_ACK, |it| it.strip(|of| of == kind::STREAM_LENGTH)),
        AnyDepth = "MS-S-14/depth": "BufferDepth of START_ACK is not looked at"
            => Setting(|it| it.buffer_depth = Some(1_000))
            => Taken(START_ACK, |it| it.strip(|of| of == kind::BUFFER_DEPTH)),
        AnyMaxDatagram = "MS-S-14/datagram": "MaxDatagram of START_ACK is not looked at"
            => Setting(|it| it.tells_max_datagram = true)
            => Taken(START_ACK, |it| it.strip(|of| of == kind::MAX_DATAGRAM)),
        GrantMiscoded = "MS-S-14/code": "a parameter above what was asked gets ERROR 1"
            => Sent(ERROR, |it| it.set_code(ErrorCode::InvalidParameters, ErrorCode::Malformed)),
        GrantIgnored = "MS-S-14/silent": "a parameter above the requested one ends the session silently"
            => Sent(ERROR, |it| it.lose_if(it.is_error(ErrorCode::InvalidParameters))),
        LaterGrantTaken = "MS-S-14/later": "FrameRate of a START_ACK is not looked at once START was sent again"
            => Taken(START_ACK, |it| if it.known.sends > 1 { it.strip(|of| of == kind::FRAME_RATE) }),
        LastGrantCounts = "MS-S-14/last": "of two StreamLengths that are granted the last counts"
            => Taken(START_ACK, |it| it.reverse_tlvs()),
        OneLessTaken = "MS-S-14/together": "of a lower FrameRate and a lower StreamLength the latter is not taken over"
            => Taken(START_ACK, |it| if it.tlvs().u32(kind::FRAME_RATE).is_some_and(|rate| rate < 50)
                && it.tlvs().u32(kind::STREAM_LENGTH).is_some_and(|length| length < 2) { it.strip(|of| of == kind::STREAM_LENGTH) }),
        ErrorAnswered = "MS-S-15": "an ERROR is answered by an ERROR"
            => Taken(ERROR, |it| it.before.push(it.error(ErrorCode::UnexpectedFrame))),
        ErrorIgnored = "MS-S-16": "an ERROR ends nothing" => Taken(ERROR, |it| it.lose()),
        ErrorOfAnyNonce = "MS-S-16/nonce": "an ERROR with other nonces ends the session"
            => Taken(ERROR, |it| it.take_as(|its, own| if its.stream_id == own.stream_id { own } else { its })),
        ErrorOfStream0 = "MS-S-16/stream-0" Responder: "an ERROR for StreamId 0 ends the session"
            => Taken(ERROR, |it| it.take_as(|its, own| if its.stream_id == 0 { own } else { its })),
        ErrorFallsBack = "MS-S-16/fallback" Initiator: "after an ERROR it falls back to the START token, where fallback is on",
        ErrorOfAnySender = "MS-S-16/sender": "an ERROR with another SenderNonce ends the session"
            => Taken(ERROR, |it| it.take_as(|its, own| if its.stream_id == own.stream_id && its.nonce == own.nonce { own } else { its })),
        ErrorByXor = "MS-S-16/xor": "of the nonces of an ERROR the exclusive or is compared"
            => Taken(ERROR, |it| it.take_nonces_if(|its, own| its.nonce ^ its.sender_nonce == own.nonce ^ own.sender_nonce)),
        ErrorOfSevenBytes = "MS-S-16/byte": "the StreamId of an ERROR is compared without its highest byte"
            => Taken(ERROR, |it| it.take_as(|its, own| if (its.stream_id ^ own.stream_id) << 8 == 0 { own } else { its })),
        Error7Ends = "MS-S-16/seven": "ERROR 7 ends the session"
            => Taken(ERROR, |it| it.set_code(ErrorCode::UnexpectedFrame, ErrorCode::Timeout)),
        ErrorOfZeros = "MS-S-16/zeros": "an ERROR with a nonce of 0 ends nothing"
            => Taken(ERROR, |it| it.lose_if(it.identity().nonce == 0 || it.identity().sender_nonce == 0)),
        ErrorOfZerosToHalf = "MS-S-16/half" Responder: "an ERROR with nonces of 0 does not end a half-open session"
            => Taken(ERROR, |it| it.lose_if(it.known.pending && it.identity().nonce == 0 && it.identity().sender_nonce == 0)),
        ErrorOfKnownCode = "MS-S-16/code": "an ERROR of a code that has no name ends nothing"
            => Taken(ERROR, |it| it.lose_if(it.code() > 9)),
        UnexpectedEnds = "MS-S-17": "a frame of another stream that the state does not expect ends the session"
            => Taken(START3, |it| it.end_if(it.is_unexpected())),
        LateAnswerEnds = "MS-S-17/answer" Initiator: "a START_ACK of another stream ends the session that streams"
            => Taken(START_ACK, |it| it.end_if(!it.known.pending && it.is_of_another_stream())),
        ErrorOfAnyStream = "MS-S-17/error": "an ERROR of another stream ends the session"
            => Taken(ERROR, |it| it.take_as(|_, own| own)),
        ObjectsAgain = "MS-S-17/again": "each frame that the state does not expect gets ERROR 7"
            => Taken(START3, |it| if it.is_unexpected() {
                it.before.push(it.error(ErrorCode::UnexpectedFrame));
                it.lose();
            }),
        ObjectsToItself = "MS-S-17/numbers": "ERROR 7 bears the numbers of the session"
            => Sent(ERROR, |it| if it.is_error(ErrorCode::UnexpectedFrame) { it.take_as(|_, own| own) }),
        LaterStartAckLost = "MS-S-18" Initiator: "only the first START may be answered"
            => Taken(START_ACK, |it| it.lose_if(it.known.pending && it.known.sends > 1)),
        WaitsOnAfterConfirm = "MS-S-18/waits" Initiator: "after the START_CONFIRM it waits for ever for media"
            => Setting(|it| if it.modes == Modes::from(Mode::Start3) { it.buffer_period = Duration::from_hours(1) }),
        LaterConfirmLost = "MS-S-18/confirm" Responder: "a START_CONFIRM after a repeated START_ACK completes nothing"
            => Taken(CONFIRM, |it| it.lose_if(it.known.pending && it.known.sends > 1)),
        AnyStreamCompletes = "MS-S-19": "a START_CONFIRM for another StreamId completes the handshake"
            => Taken(CONFIRM, |it| it.take_as(|_, own| own)),
        StreamByHalves = "MS-S-19/halves": "of the halves of a StreamId the exclusive or is compared"
            => Taken(CONFIRM, |it| it.take_as(|its, own| if halves_xor(its.stream_id) == halves_xor(own.stream_id) { own } else { its })),
        StreamOfSevenBytes = "MS-S-19/byte": "the StreamId of a START_CONFIRM is compared without its highest byte"
            => Taken(CONFIRM, |it| it.take_as(|its, own| if (its.stream_id ^ own.stream_id) << 8 == 0 { own } else { its })),
        AnyStreamCloses = "MS-S-19/closes": "a START_CONFIRM for another StreamId closes the session"
            => Taken(CONFIRM, |it| it.end_if(it.is_of_another_stream())),
        AnySource = "MS-S-20": "frames of the session are taken from whatever address"
            => Taken(START3, |it| it.take_as_the_others()),
        AnyPort = "MS-S-20/port": "frames of the session are taken from whatever port"
            => Taken(START3, |it| if it.shares_the_address() { it.take_as_the_others() }),
        AnySourcesMedia = "MS-S-20/media" Initiator: "media is taken from whatever address"
            => Taken(MEDIA, |it| it.take_as_the_others()),
    } };
}
