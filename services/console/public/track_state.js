// @ts-check
/** @import { Frame, FrameOutcome, Position, TrackedOrder, TrackState } from "../track_types.ts" */

/**
 * Contract: the page shows a prefix of the order's track, never a track with a hole. A frame is
 * applied only when it is the next one of the present epoch; an older one is a repeat and ignored; a
 * later one means that frames are missing, and nothing of it is shown. Snapshots and resets replace
 * everything. A snapshot may know more than its number says: frames that repeat what it held (by the
 * order's version) are counted but not applied, so that nothing ever goes back.
 */

/** About two minutes of fixes: what the eye reads as "where it came from". */
export const MAX_TRAIL_POSITIONS = 40;

const TERMINAL_STATES = new Set(["delivered", "cancelled", "returned", "failed", "expired"]);

/** @type {TrackState} */
export const EMPTY_TRACK = { epoch: null, seq: 0, order: null, position: null, trail: [] };

/**
 * True when nothing more will come for an order in this state.
 * @param {string} status
 */
export function isTerminal(status) {
  return TERMINAL_STATES.has(status);
}

/**
 * The state after a frame, and what it means for the connection.
 * @param {TrackState} state
 * @param {Frame} frame
 * @returns {{ state: TrackState, outcome: FrameOutcome }}
 */
export function applyFrame(state, frame) {
  if (frame.type === "snapshot" || frame.type === "reset") {
    return { state: fromSnapshot(state, frame), outcome: "applied" };
  }
  if (state.order === null || state.epoch !== frame.epoch) return { state, outcome: "lost" };
  if (frame.type === "resumed") return { state, outcome: "ignored" };
  if (frame.seq <= state.seq) return { state, outcome: "ignored" };
  if (frame.seq > state.seq + 1) return { state, outcome: "gap" };
  return { state: applyNext({ ...state, seq: frame.seq }, state.order, frame), outcome: "applied" };
}

/**
 * Where to go on after a drop, as `since` of the track expects it; null: from a snapshot.
 * @param {TrackState} state
 */
export function resumePoint(state) {
  return state.epoch === null ? null : `${state.epoch}:${state.seq}`;
}

/**
 * @param {TrackState} state
 * @param {Extract<Frame, { type: "snapshot" | "reset" }>} frame
 * @returns {TrackState}
 */
function fromSnapshot(state, frame) {
  const { epoch, seq, order, position } = frame;
  if (position === null) return { epoch, seq, order, position: null, trail: [] };
  // The same courier goes on after a reset: the trail already drawn stays true.
  const kept = state.order?.id === order.id && order.courier !== null &&
      state.order.courier?.name === order.courier.name
    ? state.trail
    : [];
  return { epoch, seq, order, position, trail: withPosition(kept, position) };
}

/**
 * @param {TrackState} state
 * @param {TrackedOrder} order
 * @param {Frame} frame
 * @returns {TrackState}
 */
function applyNext(state, order, frame) {
  if ((frame.type === "status" || frame.type === "courier") && isRepeat(order, frame)) return state;
  switch (frame.type) {
    case "status": {
      const stateTimes = { ...order.stateTimes, [frame.status]: frame.at };
      const estimatedDeliveryAt = frame.estimatedDeliveryAt === undefined
        ? order.estimatedDeliveryAt
        : frame.estimatedDeliveryAt;
      return {
        ...state,
        order: { ...order, status: frame.status, stateTimes, estimatedDeliveryAt },
      };
    }
    case "courier":
      // Another courier starts elsewhere: its position and trail begin anew.
      return {
        ...state,
        order: { ...order, courier: frame.courier },
        ...(frame.courier !== null && frame.courier.name === order.courier?.name
          ? {}
          : { position: null, trail: [] }),
      };
    case "position":
      return {
        ...state,
        position: frame.position,
        trail: withPosition(state.trail, frame.position),
      };
    default:
      return state;
  }
}

/**
 * True for a change that the snapshot had seen already.
 * @param {TrackedOrder} order
 * @param {{ version?: number }} frame
 */
function isRepeat(order, frame) {
  return order.version !== undefined && frame.version !== undefined &&
    frame.version <= order.version;
}

/**
 * @param {readonly Position[]} trail
 * @param {Position} position
 */
function withPosition(trail, position) {
  const last = trail[trail.length - 1];
  if (last !== undefined && last.recordedAt === position.recordedAt) return trail;
  return [...trail, position].slice(-MAX_TRAIL_POSITIONS);
}
