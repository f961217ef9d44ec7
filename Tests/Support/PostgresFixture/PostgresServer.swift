import Foundation
import WaybillPostgres

/// Starts a server, or takes the one that `WAYBILL_TEST_POSTGRES_URL` names, and makes databases in it.
actor PostgresServer {
    typealias Failure = PostgresProcess.Failure

    private enum State {
        case none
        case running(url: String, PostgresProcess?)
        case failed(Failure)
    }

    private let usesTLS: Bool
    private var state = State.none
    private var made = 0
    private var templates: [String: Task<String, any Error>] = [:]

    /// - Parameter usesTLS: it is reached by TCP and TLS alone, and always a server of one's own.
    init(usesTLS: Bool = false) {
        self.usesTLS = usesTLS
    }

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
        return server.replacing("/postgres?", with: "/\(name)?", maxReplacements: 1) + "&connect_timeout=30"
    }

    private static func name(_ url: String) -> String {
        String(url.prefix { $0 != "?" }.split(separator: "/").last ?? "")
    }

    private func url() throws -> String {
        switch state {
        case .running(let url, _): return url
        case .failed(let failure): throw failure
        case .none: break
        }
        do {
            if let url = ProcessInfo.processInfo.environment["WAYBILL_TEST_POSTGRES_URL"], !usesTLS {
                state = .running(url: url, nil)
                return url
            }
            let process = try PostgresProcess(usesTLS: usesTLS)
            state = .running(url: process.url, process)
            return process.url
        } catch {
            let failure = Failure(description: "PostgreSQL can't be started for the tests: \(error)")
            state = .failed(failure)
            throw failure
        }
    }
}
