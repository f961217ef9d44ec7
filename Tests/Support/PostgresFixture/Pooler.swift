import Foundation

/// A pgbouncer before a database of the tests. It can be stopped, and another started in its place.
///
/// `@unchecked Sendable` is safe because nothing is changed once it has been made.
public final class Pooler: @unchecked Sendable {
    public enum Mode: String, Sendable {
        /// Each transaction gets some connection.
        case transaction
        /// A client keeps its connection: then this is only a link that can be cut.
        case session
    }

    public struct Failure: Error, CustomStringConvertible {
        public let description: String
    }

    /// Of the database behind it.
    public let url: String
    /// It ends when this closes, which it does with the process of the tests, however that ends.
    private let lifeline: Pipe
    private let process: Process

    /// - Parameter folder: where its socket is; who comes later in its place has the same URL.
    /// - Throws: `Failure` if there can be none.
    public init(before database: String, _ mode: Mode, folder: String) throws {
        process = Process()
        process.executableURL =
            URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../../Scripts/servers/pgbouncer").standardizedFileURL
        process.arguments = [folder, database, mode.rawValue]
        lifeline = Pipe()
        process.standardInput = lifeline
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        var line = Data()
        while !line.contains(UInt8(ascii: "\n")) {
            let more = output.fileHandleForReading.availableData
            guard !more.isEmpty else { throw Failure(description: "pgbouncer did not start") }
            line += more
        }
        url = String(decoding: line, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Cuts all connections, and returns once there can be no more.
    public func stop() throws {
        try lifeline.fileHandleForWriting.close()
        process.waitUntilExit()
    }
}
