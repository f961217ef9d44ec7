import WaybillEngine

/// One entry of somebody's inbox.
struct Notice: Sendable, Hashable {
    var tenant: TenantID
    var user: String
    /// Of the event that it tells.
    var number: Int64
    var job: JobID
    var kind: String
    var outcome: JobState
    var title: String
    var message: String
    var link: String?
    var createdAt: Timestamp
    var readAt: Timestamp?
}

extension Notice {
    /// The final state that an event tells; nil for all other events.
    static func outcome(of event: JobEvent) -> JobState? {
        JobState.allCases.first { $0.isFinal && event.name == .ending($0) }
    }

    /// What is told of an end to the one who wanted the job.
    init(_ event: JobEvent, _ outcome: JobState, of job: JobRecord, in style: NoticeStyle) {
        self.init(
            tenant: event.tenant, user: job.principal.user, number: event.number, job: job.id, kind: job.kind.text,
            outcome: outcome,
            title: "\(style.noun) \(Self.words(outcome))", message: Self.message(event, outcome, job, style),
            link: style.link.map { Self.filled($0, job.id) }, createdAt: event.at)
    }

    private static func words(_ outcome: JobState) -> String {
        outcome == .cancelled || outcome == .expired ? "was \(outcome.rawValue)" : outcome.rawValue
    }

    private static func message(_ event: JobEvent, _ outcome: JobState, _ job: JobRecord, _ style: NoticeStyle) -> String {
        switch outcome {
        case .failed: return event.detail ?? job.failure?.message ?? "It ended with an error."
        case .cancelled: return "It was cancelled before it ended."
        case .expired: return "Its deadline passed before it ended."
        default:
            if let nothing = style.nothing, style.counters.allSatisfy({ job.counters[$0.name] == 0 }) { return nothing }
            let told = style.counters.compactMap { counter -> String? in
                guard let count = job.counters[counter.name], count != 0 || counter.isToldAtZero else { return nil }
                return "\(count) \(counter.words)"
            }
            return told.isEmpty ? "It ended without an error." : told.joined(separator: ", ") + "."
        }
    }

    private static func filled(_ template: String, _ job: JobID) -> String {
        var rest = template[...]
        var link = ""
        while let open = rest.firstIndex(of: "{") {
            link += rest[..<open]
            rest = rest[open...]
            if rest.hasPrefix("{jobId}") {
                link += job.text
                rest = rest.dropFirst(7)
            } else {
                link += "{"
                rest = rest.dropFirst()
            }
        }
        return link + rest
    }
}
