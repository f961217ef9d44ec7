import Foundation
import WaybillPostgres

/// Starts the server, or takes the one that `WAYBILL_TEST_POSTGRES_URL` names, and makes databases in it.
actor PostgresServer {
    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    private enum State {
        case none
        case running(url: String, Process?)
        case failed(Failure)
    }

    private var state = State.none
    private var made = 0
    private var templates: [String: Task<String, any Error>] = [:]

    /// - Returns: the URL of a new database.
    func makeDatabase(
        schema: (name: String, make: @Sendable (PostgresDatabase) async throws -> Void)?, encoding: String
    ) async throws -> String {
        guard let schema else { return try await make(from: "template0", encoding: encoding) }
        if templates[schema.name] == nil {
            templates[schema.name] = Task {
                let url = try await self.make(from: "template0")
                let database = try PostgresDatabase(url: url)
                try await schema.make(database)
                // A database can only be copied while nobody is connected to it.
                await database.close()
                return url
            }
        }
        guard let template = try await templates[schema.name]?.value else { throw Failure(description: "no template") }
        return try await make(from: Self.name(template))
    }

    private func make(from template: String, encoding: String? = nil) async throws -> String {
        let server = try url()
        made += 1
        let name = "test_\(ProcessInfo.processInfo.processIdentifier)_\(made)"
        let encoded = encoding.map { " ENCODING \($0)" } ?? ""
        try await PostgresDatabase.run("CREATE DATABASE \(name) TEMPLATE \(template)\(encoded) STRATEGY FILE_COPY", on: server)
        // Hundreds of tests connect side by side, on a machine that may be busy with other things.
        return server.replacing("///postgres?", with: "///\(name)?", maxReplacements: 1) + "&connect_timeout=30"
    }

    private static func name(_ url: String) -> String {
        String(url.drop { $0 != "/" }.drop { $0 == "/" }.prefix { $0 != "?" })
    }

    private func url() throws -> String {
        switch state {
        case .running(let url, _): return url
        case .failed(let failure): throw failure
        case .none: break
        }
        do {
            let (url, process) = try Self.start()
            state = .running(url: url, process)
            return url
        } catch {
            let failure = Failure(description: "PostgreSQL can't be started for the tests: \(error)")
            state = .failed(failure)
            throw failure
        }
    }

    /// Blocks for the second or two that the server needs.
    private static func start() throws -> (url: String, Process?) {
        if let url = ProcessInfo.processInfo.environment["WAYBILL_TEST_POSTGRES_URL"] { return (url, nil) }
        let script = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../../Scripts/servers/postgres").standardizedFileURL
        let process = Process()
        process.executableURL = script
        // It ends the server when this pipe closes, and that is when this process ends.
        process.standardInput = Pipe()
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        var line = Data()
        while !line.contains(UInt8(ascii: "\n")) {
            let more = output.fileHandleForReading.availableData
            guard !more.isEmpty else { throw Failure(description: "\(script.path) printed no URL") }
            line += more
        }
        return (String(decoding: line, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines), process)
    }
}
