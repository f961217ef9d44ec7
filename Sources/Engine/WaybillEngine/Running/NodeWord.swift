import WaybillDatabases

/// What nodes that share a database tell each other: hints of a few bytes, each with the speaker's mark, so that he need not heed
/// his own.
enum NodeWord: Sendable, Hashable {
    /// There is work to claim.
    case work
    /// Something durable of a job has changed, and there are events.
    case changed(JobID)
    /// Something durable of many jobs has changed.
    case manyChanged
    /// A running job has got so far.
    case progress(JobID, percent: Double)

    /// So many jobs are told one by one.
    static let jobsMax = 40

    func text(from mark: String) -> String {
        switch self {
        case .work: "w\(mark)"
        case .changed(let job): "j\(mark)\(job.text)"
        case .manyChanged: "a\(mark)"
        case .progress(let job, let percent): "p\(mark)\(job.text)=\(percent)"
        }
    }

    /// - Returns: nil for one's own words, and for those of a newer version.
    init?(_ text: String, heardBy mark: String) {
        // Some may have been missed.
        guard let kind = text.first else {
            self = .manyChanged
            return
        }
        let rest = text.dropFirst()
        guard rest.prefix(Self.markLength) != mark else { return nil }
        let fact = rest.dropFirst(Self.markLength)
        switch kind {
        case "w": self = .work
        case "a": self = .manyChanged
        case "j": self = .changed(JobID(trusted: String(fact)))
        case "p":
            let parts = fact.split(separator: "=", maxSplits: 1)
            guard parts.count == 2, let percent = Double(parts[1]), percent.isFinite else { return nil }
            self = .progress(JobID(trusted: String(parts[0])), percent: min(100, max(0, percent)))
        default: return nil
        }
    }

    static let markLength = 6

    /// Nodes with the same mark would not hear each other at once; they look for themselves each second.
    static func mark(of node: String) -> String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in node.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        let digits = String(hash % 2_176_782_336, radix: 36)
        return String(repeating: "0", count: max(0, markLength - digits.count)) + digits
    }
}

/// Speaks to the other nodes, where there may be any.
struct NodeVoice: Sendable {
    let signals: (any SQLSignals)?
    let mark: String

    init(_ signals: (any SQLSignals)?, node: String) {
        self.signals = signals
        mark = NodeWord.mark(of: node)
    }

    func say(_ words: [NodeWord]) {
        signals?.say(words.map { $0.text(from: mark) })
    }

    func changed(_ jobs: [JobRecord]) {
        guard signals != nil, !jobs.isEmpty else { return }
        say(jobs.count > NodeWord.jobsMax ? [.manyChanged] : jobs.map { .changed($0.id) })
    }
}
