/// How backups are made and kept.
public struct BackupSettings: Sendable, Hashable {
    /// How long the files of a backup are kept.
    public var retention: Duration
    /// How long what a restore took the place of is kept.
    public var undoTime: Duration
    /// Whose backups may be restored; empty: everybody's.
    public var trustedKeys: [String]
    /// How long one file of a backup may be.
    public var archiveBytes: Int
    /// How long what was deleted is remembered, for increments.
    public var tombstones: Duration

    init(_ read: inout SettingsReader) {
        let day = Duration.seconds(86_400)
        retention = read.duration(
            "backup.retention", day * 30, in: .seconds(1)...(day * 3650),
            "How long the files of a backup can be downloaded; the job stays completed.")
        undoTime = read.duration(
            "backup.undoTime", day * 7, in: .seconds(1)...(day * 365),
            "How long what a restore took the place of is kept, so that it can be undone.")
        let keys = read.optionalText(
            "backup.trustedKeys", range: "keys with commas between",
            "Ed25519 keys (base64) of installations whose backups may be restored; if it is not set, all may, with a warning.")
        trustedKeys = (keys ?? "").split(separator: ",").map { String($0).trimmed }.filter { !$0.isEmpty }
        archiveBytes = read.bytes(
            "backup.archiveBytes", 100 << 20, in: (1 << 10)...(100 << 20),
            "How long one file of a backup may be before compression; what is longer goes on in a next one.")
        tombstones = read.duration(
            "backup.tombstones", day * 30, in: .seconds(1)...(day * 365),
            "How long what was deleted is remembered: an increment (`since`) of an older backup is refused.")
    }
}
