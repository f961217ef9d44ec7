import ArgumentParser
import Foundation
import Synchronization
import WaybillClient

/// `waybill download`
struct DownloadCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "download", abstract: "Loads files of the drive down.",
        discussion: """
            A download that breaks off is tried again for two minutes; the same command goes on where it was. The file gets its \
            name when it is whole and its SHA-256 is what the server says. Of an encrypted file, which needs its password, the \
            server tells no SHA-256: it opens each part of it only if that is as it was stored.

            \(ExitStatus.help)
            """)

    @OptionGroup var server: ServerOptions

    @Argument(help: ArgumentHelp("The files' ids.", valueName: "id"))
    var ids: [String]

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("Where to: a file, for one id, or a folder. The folder one is in, if left out.", valueName: "path"))
    var output: String?

    @Option(help: ArgumentHelp("How many ranges of a file come side by side, from 1 to 16.", valueName: "number"))
    var parallel = 4

    @OptionGroup var transfers: TransferOptions
    @OptionGroup var password: FilePasswordOption

    @Flag(help: "Takes the place of another file of the same name.")
    var force = false

    @Flag(help: "Prints an array of what came of each file as JSON, and no progress.")
    var json = false

    func validate() throws {
        guard !ids.isEmpty else { throw ValidationError("Which files?") }
        guard (1...16).contains(parallel) else { throw ValidationError("--parallel is from 1 to 16.") }
        if ids.count > 1, let output, !LocalPlace.isFolder(output) {
            throw ValidationError("--output must be a folder that is there: there are several files.")
        }
    }

    func run() async throws {
        let options = FileDownloadOptions(parallel: parallel, password: try password.given())
        let place = LocalPlace(output: output, force: force)
        let taken = TakenPaths()
        let transfers = FileTransfers(ids, atOnce: transfers.filesAtOnce, isJSON: json)
        try await server.withClient { client in
            try await transfers.run { id, line in
                let file = try await client.retrying { try await client.files.get(id) }
                let path = try taken.take(try place.path(of: file))
                let loaded = try await client.files.download(id, to: path, options) { line.show($0, of: $1) }
                let isSame = file.encrypted == true ? file.size == loaded.bytes : file.hash.map { $0 == loaded.sha256 } ?? true
                guard isSame else {
                    throw WaybillClientError(.digestMismatch, "\(path) is not the file that the server described")
                }
                return FileTransfers.Outcome(
                    line: "\(path)  \(Figures.bytes(loaded.bytes))  SHA-256 \(loaded.sha256)",
                    record: FileTransferRecord(path: path, file: file))
            }
        }
    }
}

/// The places of files that are loaded down side by side.
private final class TakenPaths: Sendable {
    private let taken = Mutex<Set<String>>([])

    /// - Throws: `CommandFailure` if another one goes there.
    func take(_ path: String) throws -> String {
        guard taken.withLock({ $0.insert(path).inserted }) else {
            throw CommandFailure(.usage, "another one of the files goes to \(path) as well: load it down by itself")
        }
        return path
    }
}

/// Where a file goes that is loaded down.
struct LocalPlace: Sendable {
    var output: String?
    var force: Bool

    static func isFolder(_ path: String) -> Bool {
        var isFolder = ObjCBool(false)
        return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && isFolder.boolValue
    }

    /// - Throws: `CommandFailure` if there is a file of that name, unless the user has named it himself.
    func path(of file: WaybillFile) throws -> String {
        if let output, !Self.isFolder(output) { return output }
        let name = Self.safeName(file.name) ?? file.id
        let path = output.map { $0.hasSuffix("/") ? $0 + name : "\($0)/\(name)" } ?? name
        guard force || !FileManager.default.fileExists(atPath: path) else {
            throw CommandFailure(.usage, "\(path) is there already: give --force, or --output with another name")
        }
        return path
    }

    /// A name that others gave, as a name in a folder: it never leads out of it, and holds nothing that a terminal obeys.
    static func safeName(_ name: String) -> String? {
        let last = name.split { $0 == "/" || $0 == "\\" }.last.map(String.init) ?? ""
        let kept = String(String.UnicodeScalarView(last.unicodeScalars.filter { $0.properties.generalCategory != .control }))
        var short = kept
        // Room for `.partial.etag`.
        while short.utf8.count > 240 { short.removeLast() }
        return short.isEmpty || short == "." || short == ".." ? nil : short
    }
}
