import AgeFiles
import Datasets
import Formats
import Foundation
import JobDoors
import WaybillDatabases
import WaybillEngine
import Web

/// What requests say of encryption, checked.
enum BackupLock {
    static let recipientsMax = 20
    /// A short one can be guessed, by whoever has the files.
    static let passphrases = PassphraseRule(12...1024)

    static let recipientsSchema = Schema.array(of: .string(1...100), 1...recipientsMax)
        .described("public keys of age, `age1…`: only who has one of their secret keys can read the files").optional
    static let passphraseSchema = Schema.string(passphrases.length)
        .described("opens the files; kept sealed, and only until the job has ended").optional
    static let identitiesSchema = Schema.array(of: .string(1...100), 1...recipientsMax)
        .described("secret keys of age, `AGE-SECRET-KEY-1…`; kept sealed, and only until the job has ended").optional

    /// - Throws: a 400 problem that names the one that is none.
    static func check(recipients: [String]) throws {
        guard (1...recipientsMax).contains(recipients.count), Set(recipients).count == recipients.count else {
            throw Problem.invalid("recipients", "must be 1 to \(recipientsMax) keys, none of them twice")
        }
        for (index, text) in recipients.enumerated() {
            do {
                _ = try AgeRecipient(text)
            } catch {
                // A secret key that was sent by mistake is not repeated.
                let isSecret = text.lowercased().hasPrefix("age-secret-key-")
                throw Problem.invalid("recipients[\(index)]", isSecret ? "\(error)" : "‘\(text.prefix(100))’: \(error)")
            }
        }
    }

    /// - Throws: a 400 problem, which does not repeat it.
    static func check(passphrase: String) throws {
        if let reason = passphrases.wrong(passphrase) { throw Problem.invalid("passphrase", reason) }
    }

    /// - Throws: a 400 problem that says which is none, and does not repeat it.
    static func check(identities: [String]) throws {
        guard (1...recipientsMax).contains(identities.count) else {
            throw Problem.invalid("identities", "must be 1 to \(recipientsMax) secret keys")
        }
        for (index, text) in identities.enumerated() {
            do {
                _ = try AgeSecretKey(text)
            } catch {
                throw Problem.invalid("identities[\(index)]", "\(error)")
            }
        }
    }
}

extension BackupJob {
    /// How the files are to be closed; nil if they are not.
    func lock(_ input: BackupRequest, in job: JobContext<Checkpoint>) async throws -> AgeLock? {
        if let recipients = input.recipients { return .recipients(try recipients.map { try AgeRecipient($0) }) }
        guard input.hasPassphrase == true else { return nil }
        let (id, tenant) = (job.id, job.principal.tenant)
        let store = BackupSecretStore(seal: keys.seal)
        let secrets = try await database.read(of: tenant) { try store.find(id, tenant: tenant, in: $0) }
        return secrets.passphrase.map { .passphrase($0) }
    }

    func encryption(_ lock: AgeLock?, in job: JobContext<Checkpoint>) -> PartEncryption? {
        guard let lock else { return nil }
        let label = "unfinished\n\(job.principal.tenant)\n\(job.id)"
        return PartEncryption(
            lock: lock, close: { [seal = keys.seal] in Data(try seal.close($0, for: label)).base64EncodedString() },
            open: { [seal = keys.seal] in Data(base64Encoded: $0).flatMap { seal.open(Array($0), for: label) } }, random: random)
    }
}
