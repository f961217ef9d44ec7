import Synchronization

/// What files are opened with: secret keys and passphrases.
///
/// The keys that were found are remembered, since that of a passphrase takes long and a restore reads each file several times.
public final class AgeKeyring: Sendable {
    private static let rememberedMax = 4096

    private let keys: [AgeSecretKey]
    private let passphrases: [String]
    private let found = Mutex<[AgeHeader: [UInt8]]>([:])

    public init(keys: [AgeSecretKey] = [], passphrases: [String] = []) {
        self.keys = keys
        self.passphrases = passphrases
    }

    public var isEmpty: Bool { keys.isEmpty && passphrases.isEmpty }

    /// The key of the file that begins so.
    /// - Throws: `AgeError`.
    func fileKey(of header: AgeHeader) throws(AgeError) -> [UInt8] {
        if let key = found.withLock({ $0[header] }) { return key }
        guard let key = try search(header) else {
            throw AgeError(.noKeyFits, "none of the keys or passphrases at hand opens it")
        }
        guard header.isAuthentic(under: key) else { throw AgeError(.damaged, "its header has been changed") }
        found.withLock { found in
            if found.count < Self.rememberedMax { found[header] = key }
        }
        return key
    }

    private func search(_ header: AgeHeader) throws(AgeError) -> [UInt8]? {
        for stanza in header.stanzas {
            switch stanza.words.first {
            case "X25519":
                for key in keys {
                    if let fileKey = try AgeStanzas.open(stanza, with: key) { return fileKey }
                }
            case "scrypt":
                guard header.stanzas.count == 1 else { throw AgeError(.damaged, "it has a passphrase and other keys") }
                for passphrase in passphrases {
                    if let fileKey = try AgeStanzas.open(stanza, by: passphrase) { return fileKey }
                }
            default: continue  // Of a plug-in, for somebody else.
            }
        }
        return nil
    }
}
