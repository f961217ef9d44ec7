import Foundation
import Synchronization

/// One run of the program, with its output in a file.
final class ServerProcess: Sendable {
    let pid: Int32
    private let ended: AsyncStream<Int32>
    private let state = Mutex<Int32?>(nil)
    let log: String

    static let binary = ProcessInfo.processInfo.environment["WAYBILL_BINARY"] ?? "\(root)/.build/debug/waybill"
    private static let root = URL(fileURLWithPath: #filePath).pathComponents.dropLast(4).joined(separator: "/").dropFirst()

    /// Starts `waybill`, or another program, with some arguments.
    /// - Parameter log: gets standard output and standard error, behind what is in it.
    init(_ arguments: [String], environment: [String: String] = [:], program: String = binary, log: String) throws {
        guard FileManager.default.isExecutableFile(atPath: program) else {
            throw E2EError("there is no program at \(program); build it, or say where it is in WAYBILL_BINARY")
        }
        if !FileManager.default.fileExists(atPath: log) { try Data().write(to: URL(fileURLWithPath: log)) }
        guard let output = FileHandle(forWritingAtPath: log) else { throw E2EError("\(log) can't be written") }
        try output.seekToEnd()
        let (ended, feed) = AsyncStream<Int32>.makeStream()
        self.ended = ended
        self.log = log
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("WAYBILL_") }
            .merging(environment) { $1 }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = output
        process.terminationHandler = { process in
            feed.yield(process.terminationReason == .uncaughtSignal ? -process.terminationStatus : process.terminationStatus)
            feed.finish()
        }
        try process.run()
        pid = process.processIdentifier
        try output.close()
    }

    /// Waits for its end.
    /// - Returns: its exit status, or minus the signal that ended it.
    func status() async -> Int32 {
        if let known = state.withLock({ $0 }) { return known }
        for await status in ended { state.withLock { $0 = status } }
        return state.withLock { $0 } ?? 0
    }

    /// Whether it has ended, as far as is known without waiting.
    var hasEnded: Bool { kill(pid, 0) != 0 }

    func signal(_ signal: Int32) {
        kill(pid, signal)
    }

    var output: String {
        (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
    }

    /// Runs a command to its end.
    static func run(
        _ arguments: [String], environment: [String: String] = [:], program: String = binary
    ) async throws -> (status: Int32, output: String) {
        let log = NSTemporaryDirectory() + "waybill-command-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: log) }
        let process = try ServerProcess(arguments, environment: environment, program: program, log: log)
        return (await process.status(), process.output)
    }
}
