/// Where a job is. The last four are final: a job that has reached one never leaves it by itself.
public enum JobState: String, Sendable, Hashable, CaseIterable, Codable {
    case pending, running, paused, completed, failed, cancelled, expired

    public var isFinal: Bool {
        switch self {
        case .completed, .failed, .cancelled, .expired: true
        case .pending, .running, .paused: false
        }
    }
}
