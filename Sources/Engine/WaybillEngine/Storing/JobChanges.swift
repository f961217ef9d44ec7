import WaybillDatabases

/// What a transaction over several jobs has to tell at its end: how lanes move, and events. Written once for all of them.
struct JobChanges: Sendable {
    struct LaneKey: Hashable, Comparable, Sendable {
        var tenant: TenantID
        var kind: JobKind

        static func < (left: LaneKey, right: LaneKey) -> Bool { (left.tenant, left.kind) < (right.tenant, right.kind) }
    }

    struct LaneMove: Sendable {
        var ready = 0
        var running = 0
        /// The first place at which a job has become ready, if one has.
        var gain: Gain?
    }

    enum Gain: Sendable {
        case at(ReadyPlace)
        case anywhere

        func joined(_ place: ReadyPlace?) -> Gain {
            guard let place, case .at(let own) = self else { return .anywhere }
            return .at(min(own, place))
        }
    }

    private(set) var lanes: [LaneKey: LaneMove] = [:]
    private(set) var events: [EventDraft] = []
    private var batches = 0

    mutating func move(_ tenant: TenantID, _ kind: JobKind, ready: Int = 0, running: Int = 0) {
        lanes[LaneKey(tenant: tenant, kind: kind), default: LaneMove()].ready += ready
        lanes[LaneKey(tenant: tenant, kind: kind), default: LaneMove()].running += running
    }

    /// A job has become ready.
    /// - Parameter place: nil if that is not known.
    mutating func gain(_ tenant: TenantID, _ kind: JobKind, at place: ReadyPlace?) {
        move(tenant, kind, ready: 1)
        let key = LaneKey(tenant: tenant, kind: kind)
        let gain = lanes[key]?.gain?.joined(place) ?? place.map { .at($0) } ?? .anywhere
        lanes[key]?.gain = gain
    }

    /// Whether what may be claimed depends on what is not written yet.
    var movesReady: Bool { lanes.values.contains { $0.ready != 0 || $0.gain != nil } }

    func running(_ lane: LaneKey) -> Int { lanes[lane]?.running ?? 0 }

    /// Takes out how the running jobs of a lane have moved, for who writes it by himself.
    mutating func takeRunning(_ lane: LaneKey) -> Int {
        guard let running = lanes[lane]?.running else { return 0 }
        lanes[lane]?.running = 0
        return running
    }

    mutating func takeLanes() -> [LaneKey: LaneMove] {
        defer { lanes = [:] }
        return lanes
    }

    mutating func tell(_ job: JobRecord, _ name: JobEvent.Name, detail: String? = nil, in batch: EventBatch? = nil) {
        events.append(
            EventDraft(tenant: job.tenant, job: job.id, name: name, progress: job.progress, detail: detail, batch: batch))
    }

    /// A batch for what is told next, of jobs of one lane.
    mutating func openBatch(pruneAt: Timestamp? = nil) -> EventBatch {
        batches += 1
        return EventBatch(serial: batches, pruneAt: pruneAt)
    }
}

extension JobRecord {
    var lane: JobChanges.LaneKey { JobChanges.LaneKey(tenant: tenant, kind: kind) }
}

extension JobStore {
    /// Runs `body` over several jobs, then writes what it has collected.
    func changing<Result>(
        _ session: any SQLSession, now: Timestamp, _ body: (inout JobChanges) throws -> Result
    ) throws -> Result {
        var changes = JobChanges()
        let result = try body(&changes)
        try writeLanes(session, &changes)
        try events.append(session, changes.events, now: now)
        return result
    }

    /// Writes how lanes have moved so far, for those who read them in the same transaction.
    func writeLanes(_ session: any SQLSession, _ changes: inout JobChanges) throws {
        // In one order everywhere, so that two transactions on a database with several writers can't wait for each other.
        for (lane, move) in changes.takeLanes().sorted(by: { $0.key < $1.key }) {
            try moveLane(session, lane.tenant, lane.kind, move)
        }
    }
}
