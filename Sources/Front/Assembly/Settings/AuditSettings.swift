/// What is recorded of what everybody does, and how it is handed out.
public struct AuditSettings: Sendable, Hashable {
    public var isEnabled: Bool
    /// How long events are kept.
    public var retention: Duration
    /// Events in one file of an export.
    public var rowsPerFile: Int
    /// Files of an export.
    public var exports: Duration
    public var exportDeadline: Duration

    init(_ read: inout SettingsReader) {
        let day = Duration.seconds(86_400)
        isEnabled = read.boolean(
            "audit.enabled", true, "Whether changes are recorded in the audit log; if not, nothing can be appended or exported.")
        retention = read.duration(
            "audit.retention", day * 365, in: .seconds(60)...(day * 36_500),
            "How long events of the audit log are kept, from when they were recorded.")
        rowsPerFile = read.integer(
            "audit.rowsPerFile", 10_000, in: 10...10_000_000, "How many events one file of an audit log export holds.")
        exports = read.duration(
            "audit.exports.retention", day * 3, in: .seconds(1)...(day * 3650),
            "How long the files of an audit log export can be downloaded; the job stays completed.")
        exportDeadline = read.duration(
            "audit.exports.deadline", day, in: .seconds(1)...(day * 90),
            "How long after it was started an audit log export that has not ended expires.")
    }
}
