import AgeFiles
import WaybillDatabases
import WaybillEngine
import Web

/// What a job is given to close or to open files with. It is kept closed, and until the job has ended.
struct BackupSecrets: Codable, Sendable {
    var passphrase: String?
    /// Secret keys of age.
    var identities: [String]?

    var isEmpty: Bool { passphrase == nil && (identities ?? []).isEmpty }

    /// - Throws: `AgeError` for what is no secret key.
    var keyring: AgeKeyring {
        get throws(AgeError) {
            var keys: [AgeSecretKey] = []
            for identity in identities ?? [] { keys.append(try AgeSecretKey(identity)) }
            return AgeKeyring(keys: keys, passphrases: passphrase.map { [$0] } ?? [])
        }
    }
}

/// The SQL of secrets.
struct BackupSecretStore: Sendable {
    let seal: SecretSeal

    private static func label(_ job: JobID, _ tenant: TenantID) -> String { "secrets\n\(tenant)\n\(job)" }

    func insert(_ secrets: BackupSecrets, of job: JobID, tenant: TenantID, in session: any SQLSession) throws {
        let text = try JobCoding.encode(secrets)
        try session.execute(
            "INSERT INTO backup_secrets (tenant, job_id, sealed) VALUES ($1, $2, $3)", tenant.text, job.text,
            try seal.close(Array(text.utf8), for: Self.label(job, tenant)))
    }

    /// - Throws: `JobFailure` if there are none, or they can't be read any more.
    func find(_ job: JobID, tenant: TenantID, in session: any SQLSession) throws -> BackupSecrets {
        let closed = try session.first(
            "SELECT sealed FROM backup_secrets WHERE tenant = $1 AND job_id = $2", tenant.text, job.text
        ) { $0.bytes(0) }
        guard let closed, let bytes = seal.open(closed, for: Self.label(job, tenant)) else {
            throw JobFailure(
                code: "SECRET_GONE",
                message: "The passphrase or key is gone: it is kept only until the job has ended. Start a new one.")
        }
        return try JobCoding.decode(BackupSecrets.self, String(decoding: bytes, as: UTF8.self))
    }

    static func forget(_ job: JobID, tenant: TenantID, in session: any SQLSession) throws {
        try session.execute("DELETE FROM backup_secrets WHERE tenant = $1 AND job_id = $2", tenant.text, job.text)
    }
}
