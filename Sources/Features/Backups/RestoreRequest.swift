import Web

/// The body of `POST /backup/restores`; it may be left out.
struct RestoreBody: JSONBody {
    static let fields: Set = ["tenant", "from", "mode"]

    var tenant: String?
    var from: String?
    var mode: String?

    static let schema = Schema.body([
        "tenant": Schema.tenant.described("the token's own, or with the role system any").optional,
        "from": Schema.uuid.described("a backup of this installation; without it the files are uploaded").optional,
        "mode": Schema.enumeration(RestoreSession.Mode.self)
            .described("`empty` (the default): the tenant must have nothing that the backup would take the place of").optional,
    ])

    /// - Throws: a 400 problem.
    func checkedMode() throws -> RestoreSession.Mode {
        guard let mode else { return .empty }
        guard let checked = RestoreSession.Mode(rawValue: mode) else {
            throw Problem.invalid(
                "mode", "must be one of " + RestoreSession.Mode.allCases.map(\.rawValue).joined(separator: ", "))
        }
        return checked
    }
}

/// The body of `POST /backup/restores/{id}/start`; it may be left out.
struct RestoreStartBody: JSONBody {
    static let fields: Set = ["dryRun", "passphrase", "identities"]

    var dryRun: Bool?
    var passphrase: String?
    var identities: [String]?

    static let schema = Schema.body([
        "dryRun": Schema.boolean.described("reads and checks everything, and changes nothing").optional,
        "passphrase": BackupLock.passphraseSchema, "identities": BackupLock.identitiesSchema,
    ])

    /// What opens the files.
    /// - Throws: a 400 problem.
    func secrets() throws -> BackupSecrets {
        if let passphrase { try BackupLock.check(passphrase: passphrase) }
        if let identities { try BackupLock.check(identities: identities) }
        guard passphrase == nil || identities == nil else {
            throw Problem.invalid("passphrase", "does not go together with identities")
        }
        return BackupSecrets(passphrase: passphrase, identities: identities)
    }
}
