//! What was odd about a segment in its flow.
sakimori_packet::named_set! {
    /// The oddities of one segment in its flow.
    Anomalies;
    /// One oddity of a segment in its flow.
    Anomaly {
        /// Bytes that went by before come again with different content: the classic way to show an inspector one
        /// stream and the server another (Ptacek & Newsham 1998). Dropped.
        InconsistentRetransmission = "inconsistent_retransmission",
        /// Old bytes come again that are no longer (or never were) known here, so nobody can say whether they are
        /// the same. Dropped, with a probe.
        UnverifiableRetransmission = "unverifiable_retransmission",
        /// A segment so far from what is expected that no receiver takes it.
        OutOfWindow = "out_of_window",
        /// The timestamp is older than the newest one in order (PAWS, RFC 7323 §5): the server throws it away.
        OldTimestamp = "old_timestamp",
        /// Data without the ACK flag: Linux throws it away.
        DataWithoutAck = "data_without_ack",
        /// A RST whose sequence number is not exactly the next one (RFC 5961 §3.2): the flow lives on.
        BadReset = "bad_reset",
        /// Data past the sender's FIN, or two FINs at different places.
        DataAfterFin = "data_after_fin",
        /// Data on a flow that its sender has reset.
        DataAfterReset = "data_after_reset",
        /// A SYN with another initial sequence number on a flow that lives.
        SynOnLiveFlow = "syn_on_live_flow",
        /// A SYN or SYN/ACK that cannot belong to the handshake.
        BadHandshake = "bad_handshake",
        /// A SYN with data (TCP Fast Open, or a probe).
        DataOnSyn = "data_on_syn",
        /// The urgent pointer is used.
        Urgent = "urgent",
        /// The flow was picked up in its middle.
        Midstream = "midstream",
        /// Bytes are missing that will not come any more.
        Gap = "gap",
        /// Out-of-order data beyond what may be held; in-line the sender sends it again.
        PendingFull = "pending_full",
        /// Out-of-order segments overlap with different content.
        InconsistentOverlap = "inconsistent_overlap",
        /// The packet does not decode, is cut off, is an unassembled fragment or has a wrong checksum.
        Undecodable = "undecodable",
        /// A data segment of one byte just below the expected one that differs: an old stack's keep-alive.
        KeepAlive = "keep_alive",
    }
}
