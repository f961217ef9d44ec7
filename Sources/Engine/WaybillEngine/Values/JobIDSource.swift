import Synchronization

/// Makes job ids that rise, also within one millisecond and when the clock is set back.
public final class JobIDSource: Sendable {
    private struct State {
        var generator: any RandomNumberGenerator & Sendable
        var millisecond: UInt64 = 0
        var counter: UInt16 = 0
    }

    private let state: Mutex<State>

    public init(_ generator: any RandomNumberGenerator & Sendable) {
        state = Mutex(State(generator: generator))
    }

    public func next(at now: Timestamp) -> JobID {
        state.withLock { state in
            let millisecond = UInt64(max(0, now.microseconds / 1000))
            if millisecond > state.millisecond {
                state.millisecond = millisecond
                state.counter = 0
            } else if state.counter == 0x0FFF {
                state.millisecond += 1
                state.counter = 0
            } else {
                state.counter += 1
            }
            return JobID(millisecond: state.millisecond, counter: state.counter, random: state.generator.next())
        }
    }
}
