import Foundation

/// A PostgreSQL of the tests, as `Scripts/servers/postgres` runs it. It ends with this process, however that is, or with this.
///
/// `@unchecked Sendable` is safe because nothing is changed once it has been made, and its owner gives one order at a time.
public final class PostgresProcess: @unchecked Sendable {
    public struct Failure: Error, CustomStringConvertible {
        public let description: String
    }

    public let url: String
    /// The server ends when this closes.
    private let orders = Pipe()
    private let answers = Pipe()
    private let process = Process()

    /// Blocks for the second or two that it needs.
    /// - Parameters:
    ///   - usesTLS: it is reached by TCP and TLS alone.
    ///   - options: of the server, as on its command line.
    /// - Throws: `Failure` if there can be none.
    public init(usesTLS: Bool = false, options: String = "") throws {
        process.executableURL =
            URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../../Scripts/servers/postgres").standardizedFileURL
        var environment = ProcessInfo.processInfo.environment
        environment["WAYBILL_POSTGRES_TLS"] = usesTLS ? "1" : nil
        if !options.isEmpty { environment["WAYBILL_POSTGRES_OPTIONS"] = options }
        process.environment = environment
        process.standardInput = orders
        process.standardOutput = answers
        try process.run()
        url = try Self.line(answers)
    }

    /// Ends it as a crash does: what it had not given to the system is gone.
    public func crash() throws { try order("crash", answer: "crashed") }

    /// Starts it again after a crash, at the same place.
    public func start() throws { try order("start", answer: url) }

    private func order(_ word: String, answer: String) throws {
        try orders.fileHandleForWriting.write(contentsOf: Data("\(word)\n".utf8))
        let line = try Self.line(answers)
        guard line == answer else { throw Failure(description: "PostgreSQL answered \(line) to \(word)") }
    }

    private static func line(_ pipe: Pipe) throws -> String {
        var line = Data()
        while !line.contains(UInt8(ascii: "\n")) {
            let more = pipe.fileHandleForReading.availableData
            guard !more.isEmpty else { throw Failure(description: "PostgreSQL can't be started for the tests") }
            line += more
        }
        return String(decoding: line, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }
}
