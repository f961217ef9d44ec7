import Dispatch
import Synchronization
import WaybillDatabases

/// Slots for work that may run side by side. Work that finds none free waits, but not for long.
final class ConnectionPool: Sendable {
    /// What runs on a slot, or hears why it can't.
    struct Work: Sendable {
        var run: @Sendable (ConnectionSlot) -> Void
        var refuse: @Sendable (SQLError) -> Void
    }

    private struct State {
        var free: [ConnectionSlot]
        var waiting: [(id: UInt64, work: Work)] = []
        var lastID: UInt64 = 0
        var isClosed = false
    }

    private let slots: [ConnectionSlot]
    private let state: Mutex<State>
    private let timers = DispatchQueue(label: "waybill.postgres.pool")
    private let waitSeconds: Double

    init(_ slots: [ConnectionSlot], waitSeconds: Double) {
        self.slots = slots
        self.waitSeconds = waitSeconds
        state = Mutex(State(free: slots))
    }

    func submit(_ work: Work) {
        enum Next { case run(ConnectionSlot), wait(UInt64), refuse }
        let next: Next = state.withLock { state in
            guard !state.isClosed else { return .refuse }
            // The one that was used last: its caches are warm, and the others may rest.
            if let slot = state.free.popLast() { return .run(slot) }
            state.lastID += 1
            state.waiting.append((state.lastID, work))
            return .wait(state.lastID)
        }
        switch next {
        case .run(let slot): run(work, on: slot)
        case .wait(let id): timers.asyncAfter(deadline: .now() + waitSeconds) { self.expire(id) }
        case .refuse: work.refuse(SQLError(.unavailable, "the database is closing"))
        }
    }

    private func run(_ work: Work, on slot: ConnectionSlot) {
        slot.queue.async {
            work.run(slot)
            var next: Work? = self.giveBack(slot)
            while let work = next {
                work.run(slot)
                next = self.giveBack(slot)
            }
        }
    }

    /// - Returns: what the slot does next; nil if it is free.
    private func giveBack(_ slot: ConnectionSlot) -> Work? {
        state.withLock { state in
            guard !state.waiting.isEmpty else {
                state.free.append(slot)
                return nil
            }
            return state.waiting.removeFirst().work
        }
    }

    private func expire(_ id: UInt64) {
        let work = state.withLock { state in
            state.waiting.firstIndex { $0.id == id }.map { state.waiting.remove(at: $0).work }
        }
        work?.refuse(SQLError(.unavailable, "no connection to the database became free in \(waitSeconds) s"))
    }

    /// Refuses everything that comes from now on; what is in line is still done.
    func close() async {
        state.withLock { $0.isClosed = true }
        for slot in slots { await slot.close() }
    }
}
