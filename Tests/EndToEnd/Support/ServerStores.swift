import Foundation
import PostgresFixture
import TestServers

/// Where a server of the tests keeps its rows and files: its folder, or with `WAYBILL_TEST_DATABASE=postgres` a PostgreSQL
/// database and a part of a bucket.
struct ServerStores: Sendable {
    /// What the program is told of them.
    var environment: [String: String] = [:]
    /// nil: the file in the server's folder.
    var databaseURL: String? { environment["WAYBILL_DATABASE_URL"] }

    /// - Parameter filesAreOnDisk: the test looks at the folder that the files are in.
    static func make(filesAreOnDisk: Bool) async throws -> ServerStores {
        guard TestDatabase.isPostgres else { return ServerStores() }
        var environment = ["WAYBILL_DATABASE_URL": try await PostgresFixture.makeDatabase()]
        if !filesAreOnDisk {
            environment["WAYBILL_BLOBS_URL"] = try await bucket()
            environment.merge(S3Server.credentials) { $1 }
        }
        return ServerStores(environment: environment)
    }

    /// A part of the bucket that nobody else uses.
    static func bucket() async throws -> String {
        let url = try await S3Server.seaweedfs.url()
        return url.replacing("s3://waybill?", with: "s3://waybill/e2e-\(UUID().uuidString)?")
    }
}

extension ServerFixture {
    /// Looks into every table.
    /// - Returns: how many rows of which tables hold a text.
    func rows(with text: String) async throws -> [String: Int] {
        let hex = text.utf8.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        var found: [String: Int] = [:]
        for table in try await lines("SELECT name FROM sqlite_master WHERE type = 'table'", Self.tables) {
            let table = table.trimmingCharacters(in: ["'"])
            let lines = try await lines("SELECT * FROM \"\(table)\"", "SELECT row::text FROM public.\"\(table)\" AS row")
            let count = lines.count { $0.contains(text) || $0.lowercased().contains(hex) }
            if count > 0 { found[table] = count }
        }
        return found
    }

    /// Changes rows behind the back of the program, which must be stopped.
    func execute(_ sql: String) async throws {
        if let url = stores.databaseURL {
            try await Tool.psql(url, sql)
        } else {
            try await Tool.sqlite(data + "/waybill.db", sql)
        }
    }

    private static let tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"

    /// What a query prints, a row a line.
    private func lines(_ sqlite: String, _ postgres: String) async throws -> [String] {
        if let url = stores.databaseURL { return try await Tool.psql(url, postgres) }
        let (status, output) = try await ServerProcess.run(
            ["sqlite3", "-bail", "-readonly", "-quote", data + "/waybill.db", sqlite], program: "/usr/bin/env")
        guard status == 0 else { throw E2EError("sqlite3: \(output)") }
        return output.split(separator: "\n").map(String.init)
    }
}
