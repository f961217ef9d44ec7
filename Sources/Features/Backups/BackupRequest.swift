import JobDoors
import WaybillEngine
import Web

/// What a backup is asked for: the job's input.
public struct BackupRequest: Codable, Sendable, Hashable {
    /// Groups of entities; nil for all.
    public var entities: [String]?
    /// The bytes of files as well.
    public var blobs: Bool
    /// An increment of this backup; `last`: of the newest one that will do, and a full one if there is none. nil: a full one.
    public var since: String?
    /// Public keys of age.
    public var recipients: [String]?
    /// It has a passphrase, which is kept elsewhere.
    public var hasPassphrase: Bool?
}

/// The body of `POST /backup/schedule`; it may be left out.
struct BackupBody: JSONBody {
    static let fields: Set = ["entities", "blobs", "since", "cron", "recipients", "passphrase"]

    var entities: [String]?
    var blobs: Bool?
    var since: String?
    var cron: String?
    var recipients: [String]?
    var passphrase: String?

    static func schema(_ names: [String]) -> Schema {
        .body([
            "entities": .array(of: .enumeration(names), 1...names.count).described("what is backed up; without it everything")
                .optional,
            "blobs": .boolean.described("the bytes of files as well, as they are by default").optional,
            "since": .string(1...100).described(
                "an increment: what has changed since this backup; `last`: since the newest one, or all if none is young enough"
            ).optional,
            "cron": .string(1...100).described("makes it a schedule, in UTC: `0 3 * * *`").optional,
            "recipients": BackupLock.recipientsSchema, "passphrase": BackupLock.passphraseSchema,
        ])
    }

    /// The checked request.
    /// - Throws: a 400 problem.
    func request(knowing names: [String]) throws -> BackupRequest {
        if let entities {
            guard !entities.isEmpty, Set(entities).count == entities.count else {
                throw Problem.invalid("entities", "names nothing, or something twice")
            }
            if let unknown = entities.first(where: { !names.contains($0) }) {
                throw Problem.invalid("entities", "‘\(unknown.prefix(100))’ is not one of " + names.joined(separator: ", "))
            }
        }
        if let since, since != BackupBase.last {
            guard JobID(since) != nil else { throw Problem.invalid("since", "is no id of a backup, and not ‘last’") }
            guard cron == nil else {
                throw Problem.invalid("since", "must be ‘last’ in a schedule: one backup is soon too old to be the one before")
            }
        }
        try checkLock()
        return BackupRequest(
            entities: entities?.sorted(), blobs: blobs ?? true, since: since, recipients: recipients?.sorted(),
            hasPassphrase: passphrase == nil ? nil : true)
    }

    private func checkLock() throws {
        if let recipients { try BackupLock.check(recipients: recipients) }
        guard let passphrase else { return }
        try BackupLock.check(passphrase: passphrase)
        guard recipients == nil else { throw Problem.invalid("passphrase", "does not go together with recipients") }
        guard cron == nil else {
            throw Problem.invalid("passphrase", "can't be had with cron, since it would have to be kept: name recipients")
        }
    }

    /// What the job is given besides its input.
    var secrets: BackupSecrets? { passphrase.map { BackupSecrets(passphrase: $0) } }
}
