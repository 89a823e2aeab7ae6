//! What sits on top of a flow.
use crate::flow::{Direction, FlowInfo};
use crate::outcome::{Decision, End};

/// One flow's consumer of bytes: a protocol parser with its inspection behind it.
///
/// It is made when the flow's first payload byte is delivered, or with its first packet behind the handshake where packets are
/// wanted: half-open flows cost none.
pub trait Application {
    /// What all flows share: rules, scratch space, a sink for events. Handed in with every call.
    type Context;

    /// A packet by itself, before its bytes are put in order; called where the table was told that packets are wanted.
    /// `established`: both sides have shown that they are there.
    fn packet(
        &mut self,
        _ctx: &mut Self::Context,
        _flow: &FlowInfo,
        _direction: Direction,
        _established: bool,
        _payload: &[u8],
    ) -> Decision {
        Decision::Continue
    }

    /// The next bytes in order; each byte comes once.
    fn data(
        &mut self,
        ctx: &mut Self::Context,
        flow: &FlowInfo,
        direction: Direction,
        bytes: &[u8],
    ) -> Decision;

    /// So many bytes are missing and will not come: a hole before the next [`data`](Self::data).
    fn gap(&mut self, ctx: &mut Self::Context, flow: &FlowInfo, direction: Direction, bytes: u64)
    -> Decision;

    /// The flow is over; called once, and nothing after it.
    fn end(&mut self, ctx: &mut Self::Context, flow: &FlowInfo, how: End);
}
