import AgeFiles
import ArgumentParser
import Foundation
import TenantData

/// What an encrypted backup is opened with.
struct BackupKeyOptions: ParsableArguments {
    @Option(
        name: .customLong("identity"),
        help: ArgumentHelp("A file with secret keys of age, as age-keygen makes it; may be given again.", valueName: "file"))
    var identities: [String] = []

    @OptionGroup var passphrase: BackupPassphraseOption

    /// What was given; nil: nothing.
    struct Given {
        var keys: [AgeSecretKey] = []
        var passphrase: String?

        /// The keys as they are sent.
        var identities: [String]? { keys.isEmpty ? nil : keys.map(\.text) }
        var keyring: AgeKeyring { AgeKeyring(keys: keys, passphrases: passphrase.map { [$0] } ?? []) }
    }

    func validate() throws {
        if !identities.isEmpty, passphrase.file != nil {
            throw ValidationError("--identity and --passphrase-file don't go together.")
        }
    }

    /// - Throws: `CommandFailure`.
    func given() throws -> Given? {
        guard identities.isEmpty else {
            var given = Given()
            for path in identities {
                do {
                    given.keys += try AgeSecretKey.all(in: try BackupPassphraseOption.text(path))
                } catch let error as AgeError {
                    throw CommandFailure(.failed, "\(path): \(error)")
                }
            }
            return given
        }
        return try passphrase.given().map { Given(passphrase: $0) }
    }
}

struct BackupPassphraseOption: ParsableArguments {
    @Option(
        name: .customLong("passphrase-file"),
        help: ArgumentHelp(
            "A file whose first line is the backup's passphrase; WAYBILL_PASSPHRASE holds it if left out.", valueName: "file"))
    var file: String?

    /// - Throws: `CommandFailure`.
    func given() throws -> String? {
        guard let file else { return CommandContext.current.variable("WAYBILL_PASSPHRASE") }
        let line = try Self.text(file).split(whereSeparator: \.isNewline).first
        guard let line else { throw CommandFailure(.failed, "\(file) is empty") }
        return String(line)
    }

    static func text(_ path: String) throws -> String {
        guard let data = FileManager.default.contents(atPath: path), let text = String(data: data, encoding: .utf8) else {
            throw CommandFailure(.notFound, "\(path) can't be read")
        }
        return text
    }
}

extension BackupPackage {
    /// Tries the keys on the first of the files, so that a wrong one is told before anything is sent.
    /// - Throws: `CommandFailure`.
    func check(_ keys: BackupKeyOptions.Given?, for manifest: BackupManifest) throws {
        guard manifest.encryption != nil, let file = manifest.files.first else { return }
        guard let keys else { throw CommandFailure(.failed, BackupKeyOptions.needed) }
        let unpacker = ArchiveUnpacker(file, keyring: keys.keyring)
        do {
            let next = try pieces(of: file.name)
            while !unpacker.isOpen, let piece = try next() { try unpacker.push(piece) { _ in } }
        } catch let error as ArchiveError {
            throw CommandFailure(.failed, error.description)
        }
    }
}

extension BackupKeyOptions {
    static let needed = "the backup is encrypted: give --identity or --passphrase-file"
}
