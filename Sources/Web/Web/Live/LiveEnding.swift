/// Why a live connection has ended, for the metrics.
enum LiveEnding: String, Sendable, CaseIterable {
    /// The peer has closed it.
    case left
    /// The peer is gone without a word.
    case broken
    /// No pong came.
    case silent
    /// It was not proven who it is, or the right is missing.
    case refused
    /// The credentials have ended.
    case expired
    /// The peer does not keep to the protocol.
    case violation
    case lagged
    case shutdown
    case failed
}
