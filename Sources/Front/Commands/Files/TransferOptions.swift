import ArgumentParser
import Foundation

/// How files are moved.
struct TransferOptions: ParsableArguments {
    @Option(help: ArgumentHelp("How many files go side by side, from 1 to 16.", valueName: "number"))
    var filesAtOnce = 2

    func validate() throws {
        guard (1...16).contains(filesAtOnce) else { throw ValidationError("--files-at-once is from 1 to 16.") }
    }
}

/// The password of encrypted files. It is never an argument, which others on the machine and the shell's history would see.
struct FilePasswordOption: ParsableArguments {
    @Option(
        name: .customLong("password-file"),
        help: ArgumentHelp(
            "A file whose first line is the password of encrypted files; - asks for it, or reads it from standard input.",
            valueName: "file"))
    var file: String?

    /// - Returns: nil if none is given.
    /// - Throws: `CommandFailure`.
    func given() throws -> String? {
        guard let file else { return nil }
        let line =
            file == "-"
            ? CommandContext.current.secret("Password: ")
            : try BackupPassphraseOption.text(file).split(whereSeparator: \.isNewline).first.map(String.init)
        guard let line, !line.isEmpty else {
            throw CommandFailure(.usage, file == "-" ? "no password was given" : "\(file) is empty")
        }
        return line
    }
}
