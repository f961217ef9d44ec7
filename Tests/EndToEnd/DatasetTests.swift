import Foundation
import PostgresFixture
import Testing

@Suite struct DatasetTests {
    /// A server over a file with flights of two tenants, one of which is not UTF-8.
    private func withFlights<T: Sendable>(
        _ body: @Sendable (ServerFixture, Source) async throws -> T
    ) async throws -> T {
        if TestDatabase.isPostgres {
            let url = try await PostgresFixture.makeDatabase(encoding: "SQL_ASCII")
            try await Tool.psql(url, Self.flightsOnPostgres)
            return try await withFlights(of: Source(place: url), body)
        }
        let path = NSTemporaryDirectory() + "waybill-e2e-\(UUID().uuidString).sqlite"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try await Tool.sqlite(
            path,
            """
            CREATE TABLE flights (nr INTEGER PRIMARY KEY, carrier TEXT, dest TEXT, delay REAL, owner TEXT, readers TEXT);
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
            INSERT INTO flights SELECT i, 'C' || (i % 7), CASE WHEN i % 10 = 0 THEN NULL ELSE 'a,"' || i END, i / 4.0,
              CASE WHEN i % 3 = 0 THEN 'globex' ELSE 'acme' END, CASE WHEN i % 5 = 0 THEN 'role:press' ELSE 'everyone' END FROM n;
            CREATE TABLE broken (nr INTEGER PRIMARY KEY, text TEXT);
            CREATE TABLE many (nr INTEGER PRIMARY KEY, text TEXT);
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000)
            INSERT INTO many SELECT i, hex(i * 7919) || '-some more text to be written' FROM n;
            CREATE TABLE loose (word TEXT, text TEXT);
            INSERT INTO loose SELECT 'w' || (nr * 7919 % 100003), text FROM many WHERE nr <= 40000;
            CREATE VIEW seen AS SELECT word, count(*) AS times, min(text) AS text FROM loose GROUP BY word;
            INSERT INTO broken VALUES (1, 'fine'), (2, CAST(X'C328' AS TEXT)), (3, 'fine too');
            """)
        return try await withFlights(of: Source(place: path), body)
    }

    /// The database of somebody else.
    private struct Source: Sendable {
        /// A path or an address.
        let place: String

        /// The texts of a query.
        func texts(_ sql: String) async throws -> [String] {
            try await TestDatabase.isPostgres
                ? Tool.psql(place, sql)
                : ServerProcess.run(
                    ["sqlite3", place, sql], program: "/usr/bin/env"
                ).output.split(separator: "\n").map(String.init)
        }

        /// Takes a table out of sight and back.
        func move(away isAway: Bool) async throws {
            let (name, other) = isAway ? ("many", "hidden") : ("hidden", "many")
            guard TestDatabase.isPostgres else {
                let (from, to) = isAway ? (place, place + "-away") : (place + "-away", place)
                return try FileManager.default.moveItem(atPath: from, toPath: to)
            }
            try await Tool.psql(place, "ALTER TABLE \(name) RENAME TO \(other)")
        }
    }

    private static let flightsOnPostgres = """
        CREATE TABLE flights (nr BIGINT PRIMARY KEY, carrier TEXT, dest TEXT, delay FLOAT8, owner TEXT, readers TEXT);
        INSERT INTO flights SELECT i, 'C' || (i % 7), CASE WHEN i % 10 = 0 THEN NULL ELSE 'a,"' || i END, i / 4.0,
          CASE WHEN i % 3 = 0 THEN 'globex' ELSE 'acme' END, CASE WHEN i % 5 = 0 THEN 'role:press' ELSE 'everyone' END
          FROM generate_series(1, 3000) AS s (i);
        CREATE TABLE broken (nr BIGINT PRIMARY KEY, text TEXT);
        CREATE TABLE many (nr BIGINT PRIMARY KEY, text TEXT);
        INSERT INTO many SELECT i, to_hex(i::bigint * 7919) || '-some more text to be written'
        FROM generate_series(1, 300000) AS s (i);
        CREATE TABLE loose (word TEXT, text TEXT);
        INSERT INTO loose SELECT 'w' || (nr * 7919 % 100003), text FROM many WHERE nr <= 40000;
        CREATE VIEW seen AS SELECT word, count(*) AS times, min(text) AS text FROM loose GROUP BY word;
        INSERT INTO broken VALUES (1, 'fine'), (2, convert_from('\\xC328', 'SQL_ASCII')), (3, 'fine too');
        """

    private func withFlights<T: Sendable>(
        of source: Source, _ body: @Sendable (ServerFixture, Source) async throws -> T
    ) async throws -> T {
        let path = source.place
        let configuration = """
            datasets:
              flights:
                source: \(path)
                table: flights
                key: nr
                tenantColumn: owner
                readersColumn: readers
                columns: [carrier, dest, delay]
              many:
                source: \(path)
                table: many
                key: nr
                tenants: [acme]
                readers: [everyone]
              loose:
                source: \(path)
                table: loose
                key: word
                tenants: [acme]
                readers: [everyone]
              seen:
                source: \(path)
                table: seen
                key: word
                tenants: [acme]
                readers: [everyone]
              broken:
                source: \(path)
                table: broken
                key: nr
                tenants: [acme]
                readers: [everyone]
            """
        return try await withServer(configuration: configuration) { try await body($0, source) }
    }

    @Test("a table of another file is exported for its tenant and readers, and says that it is a snapshot")
    func flights() async throws {
        try await withFlights { server, _ in
            let ada = try await server.user("ada", of: "acme", "reader")
            let job = try await ada.exported(#"{"dataset": "flights", "format": "csv"}"#)
            #expect(job["state"]?.string == "completed" && job["result"]?["consistency"]?.string == "snapshot", "\(job)")
            #expect(job["result"]?["total"]?.integer == 1600)
            let rows = try await Tool.csv(try await ada.download(try #require(job["jobId"]?.string)).body)
            #expect(rows.count == 1601 && rows[0] == ["id", "carrier", "dest", "delay"])
            #expect(rows[1] == ["1", "C1", "a,\"1", "0.25"])
            #expect(rows.dropFirst().allSatisfy { Int($0[0]).map { $0 % 3 != 0 && $0 % 5 != 0 } ?? false })
            let press = try await server.user("cid", of: "acme", "reader", "press")
            #expect(try await press.exported(#"{"dataset": "flights", "format": "ndjson"}"#)["result"]?["total"]?.integer == 2000)
            let some = try await ada.exportedFile(
                #"""
                {"dataset": "flights", "format": "csv", "fields": ["id", "delay"], "query": "carrier:C1 AND delay:[* TO 5]",
                 "sort": ["-id"]}
                """#
            )
            #expect(
                some.text == "id,delay\r\n8,2\r\n1,0.25\r\n" || some.text == "id,delay\r\n8,2.0\r\n1,0.25\r\n", "\(some.text)")
        }
    }

    @Test("a tenant who owns none of it does not learn that there is such a data set")
    func otherTenant() async throws {
        try await withFlights { server, _ in
            let eve = try await server.user("eve", of: "initech", "admin")
            let hidden = try await eve.post(User.exports, #"{"dataset": "broken", "format": "csv"}"#)
            let unknown = try await eve.post(User.exports, #"{"dataset": "brokem", "format": "csv"}"#)
            #expect(hidden.status == 400 && unknown.status == 400)
            #expect(hidden.text.count == unknown.text.count)
            #expect(
                try await eve.post(User.exports, #"{"dataset": "flights", "format": "csv", "fields": ["owner"]}"#).status == 400)
        }
    }

    @Test("an export of a table that is killed starts over with a new snapshot, and has every row once")
    func killed() async throws {
        try await withFlights { server, _ in
            let ada = try await server.user("ada", of: "acme", "reader")
            let request = #"{"dataset": "many", "format": "csv"}"#
            let whole = try await ada.exportedFile(request).body
            // It may have ended when the signal comes.
            for round in 0... {
                let id = try await ada.export(request)
                _ = try await poll("the start") { try await ada.job(id)["startedAt"] != nil ? true : nil }
                await server.kill()
                try await server.start()
                let job = try await ada.wait(id)
                #expect(job["state"]?.string == "completed" && job["result"]?["consistency"]?.string == "snapshot")
                #expect(job["attempts"]?.integer == 0)
                let isEqual = try await ada.download(id).body == whole
                #expect(isEqual && job["result"]?["exported"]?.integer == 300_000)
                if job["deaths"]?.integer == 1 { break }
                try #require(round < 20, "no kill hit a running export: \(job)")
            }
        }
    }

    @Test(
        "a view, and a table without an index, are exported in the order of their key, upwards and downwards, whole or in parts")
    func unsorted() async throws {
        try await withFlights { server, source in
            let ada = try await server.user("ada", of: "acme", "reader")
            for name in ["loose", "seen"] {
                let words = try await source.texts("SELECT word FROM \(name) ORDER BY word")
                #expect(words.count == 40_000)
                for isDown in [false, true] {
                    let request =
                        #"{"dataset": "\#(name)", "format": "csv", "sort": "\#(isDown ? "-" : "")id", "partRows": 15000}"#
                    let id = try #require(try await ada.exported(request)["jobId"]?.string)
                    var found: [String] = []
                    for part in 1...3 {
                        found += try await Tool.csv(try await ada.download(id, query: "?part=\(part)").body).dropFirst().map {
                            $0[0]
                        }
                    }
                    #expect(found == (isDown ? words.reversed() : words), "\(request)")
                }
                let sheet = try await ada.exportedFile(#"{"dataset": "\#(name)", "format": "xlsx", "fields": ["id"]}"#)
                #expect(try await Tool.sheet(sheet.body).array?.dropFirst().compactMap { $0[0]?.string } == words)
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: server.data + "/tmp").isEmpty)
        }
    }

    @Test("an export whose first attempt fails is tried again, and shows the try but not its error once it has succeeded")
    func retried() async throws {
        try await withFlights { server, source in
            let ada = try await server.user("ada", of: "acme", "reader")
            try await source.move(away: true)
            let id = try await ada.export(#"{"dataset": "many", "format": "csv"}"#)
            let waiting = try await poll("the end of the first attempt") { () -> JSON? in
                let job = try await ada.job(id)
                return (job["attempts"]?.integer ?? 0) > 0 ? job : nil
            }
            try await source.move(away: false)
            #expect(waiting["state"]?.string == "pending" && waiting["error"]?["code"]?.string != nil, "\(waiting)")
            #expect(waiting["downloadUrl"] == nil && waiting["artifactState"]?.string == "none")
            let job = try await ada.wait(id)
            #expect(job["state"]?.string == "completed" && (job["attempts"]?.integer ?? 0) > 0 && job["error"] == nil, "\(job)")
            #expect(job["result"]?["exported"]?.integer == 300_000)
        }
    }

    @Test("text that is not UTF-8 is an error of its row")
    func invalidText() async throws {
        try await withFlights { server, _ in
            let ada = try await server.user("ada", of: "acme", "reader")
            let job = try await ada.exported(#"{"dataset": "broken", "format": "csv", "onError": "continue"}"#)
            #expect(job["state"]?.string == "completed" && job["result"]?["failed"]?.integer == 1)
            #expect(job["result"]?["errors"]?[0]?["id"]?.string == "2")
            #expect(try await ada.download(try #require(job["jobId"]?.string)).text == "id,text\r\n1,fine\r\n3,fine too\r\n")
            let stopped = try await ada.exported(#"{"dataset": "broken", "format": "csv"}"#)
            #expect(stopped["state"]?.string == "failed")
        }
    }
}
