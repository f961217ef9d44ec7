import ArgumentParser
import WaybillClient

extension FileUploadProtocol: ExpressibleByArgument {}

/// `waybill upload`
struct UploadCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "upload", abstract: "Sends files to the drive.",
        discussion: """
            Each file is told as a line: its id there, its bytes, its name here. What breaks off is tried again for two minutes; \
            the same command goes on where it was, as long as the server keeps the upload. A file that is there already is not \
            sent. With a password the server encrypts the file; an upload that is gone on with keeps the one it was begun with.

            \(ExitStatus.help)
            """)

    @OptionGroup var server: ServerOptions

    @Argument(help: "The files.", completion: .file())
    var files: [String]

    @Option(help: ArgumentHelp("The id or the name of the pool; the default one if left out.", valueName: "pool"))
    var pool: String?

    @Option(
        name: .customLong("protocol"),
        help: """
            chunks: several side by side; tus: tus 1.0, large files in several parts side by side; ietf: the IETF's resumable \
            uploads, in one part.
            """)
    var wire = FileUploadProtocol.chunks

    @Option(help: ArgumentHelp("How many chunks or parts of a file go side by side, from 1 to 16.", valueName: "number"))
    var parallel = 4

    @OptionGroup var transfers: TransferOptions
    @OptionGroup var password: FilePasswordOption

    @Option(help: "What the file is called there; with one file only.")
    var name: String?

    @Option(name: .customLong("content-type"), help: "Its media type; guessed from the ending of its name if left out.")
    var contentType: String?

    @Flag(help: "Prints an array of what came of each file as JSON, and no progress.")
    var json = false

    func validate() throws {
        guard !files.isEmpty else { throw ValidationError("Which files?") }
        guard name == nil || files.count == 1 else { throw ValidationError("--name goes with one file only.") }
        guard (1...16).contains(parallel) else { throw ValidationError("--parallel is from 1 to 16.") }
    }

    func run() async throws {
        let options = FileUploadOptions(
            name: name, contentType: contentType, pool: pool, wire: wire, parallel: parallel, password: try password.given())
        let transfers = FileTransfers(files, atOnce: transfers.filesAtOnce, isJSON: json)
        try await server.withClient { client in
            try await transfers.run { path, line in
                let sent = try await client.files.upload(path, options) { progress in
                    switch progress.phase {
                    case .reading: line.show(progress.bytes, of: progress.total, phase: "reading")
                    case .sending: line.show(progress.bytes, of: progress.total)
                    case .completing: line.show(progress.bytes, of: progress.total, phase: "completing")
                    }
                }
                let note = sent.wasThere ? "  (was there)" : ""
                return FileTransfers.Outcome(
                    line: "\(sent.file.id)  \(Figures.bytes(sent.file.size))  \(path)\(note)",
                    record: FileTransferRecord(
                        path: path, file: sent.file, wasThere: sent.wasThere, resumedFrom: sent.resumedFrom))
            }
        }
    }
}
