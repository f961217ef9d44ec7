/// For whom files are closed: for the holders of keys, or by a passphrase. The two don't go together, as age has it.
public enum AgeLock: Sendable, Hashable {
    case recipients([AgeRecipient])
    case passphrase(String)

    /// The header of a file.
    /// - Parameter random: gives as many random bytes as asked for.
    func stanzas(_ fileKey: [UInt8], random: (Int) -> [UInt8]) throws -> [AgeHeader.Stanza] {
        switch self {
        case .recipients(let recipients):
            try recipients.map { try AgeStanzas.close(fileKey, for: $0, secret: random(32)) }
        case .passphrase(let passphrase): [try AgeStanzas.close(fileKey, by: passphrase, salt: random(16))]
        }
    }
}
