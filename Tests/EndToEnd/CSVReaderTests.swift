import Foundation
import Testing

/// Every CSV that the server writes, as Python's csv, Miller and DuckDB read it.
@Suite(.server())
struct CSVReaderTests {
    /// Reads a file with all three, and holds what they read against each other.
    private static let program = """
        import csv, json, subprocess, sys
        import duckdb
        path, delimiter = sys.argv[1], sys.argv[2]
        # The mark at the beginning belongs to no reader's text.
        with open(path, encoding="utf-8-sig", newline="") as file:
            header, *rows = list(csv.reader(file, delimiter=delimiter, strict=True))
        assert all(len(row) == len(header) for row in rows), "python: rows of unequal length"
        mlr = ["mlr", "--icsv", "--ifs", delimiter, "--ojson", "--no-auto-unflatten", "-S", "cat", path]
        text = subprocess.run(mlr, check=True, capture_output=True, text=True).stdout
        read = json.loads(text) if text.strip() else []
        assert [list(record) for record in read] == [header] * len(rows), "miller: other columns"
        miller = [list(record.values()) for record in read]
        # Miller makes a line feed of each line's end, also of one in quotes.
        lines = [[text.replace("\\r\\n", "\\n") for text in row] for row in rows]
        assert miller == lines, ("miller", [pair for pair in zip(miller, lines) if pair[0] != pair[1]][:1])
        table = duckdb.sql(
            "SELECT * FROM read_csv(?, header = true, all_varchar = true, delim = ?, quote = ?, escape = ?, "
            "comment = '', allow_quoted_nulls = false, strict_mode = true)",
            params=[path, delimiter, '"', '"'])
        assert table.columns == header, ("duckdb", table.columns)
        nulls = [list(row) for row in table.fetchall()]
        duck = [["" if value is None else value for value in row] for row in nulls]
        assert duck == rows, ("duckdb", [pair for pair in zip(duck, rows) if pair[0] != pair[1]][:1])
        print(json.dumps({"rows": rows, "nulls": nulls}))
        """

    private struct Read {
        var rows: [[String]]
        /// As DuckDB tells an empty field from an empty text.
        var nulls: [[String?]]
    }

    private static let reader = Task {
        let root = URL(fileURLWithPath: #filePath).pathComponents.dropLast(3).joined(separator: "/").dropFirst()
        let (status, output) = try await ServerProcess.run([], program: "\(root)/Scripts/readers")
        guard status == 0, let path = output.split(separator: "\n").last else { throw E2EError("Scripts/readers: \(output)") }
        return String(path)
    }

    private static func read(_ bytes: [UInt8], delimiter: String = ",") async throws -> Read {
        let path = NSTemporaryDirectory() + "waybill-csv-\(UUID().uuidString).csv"
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        let (status, output) = try await ServerProcess.run(["-c", program, path, delimiter], program: try await reader.value)
        guard status == 0 else { throw E2EError(output) }
        let json = try JSON(Array(output.utf8))
        func texts(_ name: String) -> [[String?]] {
            (json[name]?.array ?? []).map { ($0.array ?? []).map(\.string) }
        }
        return Read(rows: texts("rows").map { $0.compactMap(\.self) }, nulls: texts("nulls"))
    }

    private func filled() async throws -> User {
        let ada = try await sharedServer().newUser("admin")
        try await ada.makeArticles(50)
        try await ada.define(
            "odd",
            #"""
            {"name": "text", "type": "text"}, {"name": "n", "type": "number"}, {"name": "tags", "type": "tags"},
            {"name": "more", "type": "json"}, {"name": "at", "type": "datetime"}, {"name": "yes", "type": "boolean"}
            """#)
        try await ada.store(
            "odd",
            [
                #"{"id": "1", "text": "a, \"b\"\r\nc; 'd'", "n": 0.1, "tags": ["x", "y,z"], "at": "2013-01-01T03:00:00Z"}"#,
                #"{"id": "2", "text": "", "n": -1e-9, "more": {"a": [null, "\"", 1]}, "yes": true}"#,
                #"{"id": "é 😀", "text": "=1+1", "language": "de-AT"}"#,
                #"{"id": " ", "more": [], "text": " # not a comment"}"#,
                #"{"id": "5", "text": "line\nline\n", "more": "a\\\"b"}"#, #"{"id": "007", "text": "NULL", "n": 1e300}"#,
            ])
        return ada
    }

    @Test("Python's csv, Miller and DuckDB read the same from every file of a backup, and DuckDB tells null from empty")
    func backups() async throws {
        let ada = try await filled()
        try #require(try await ada.post("/backup/schedule", #"{"cron": "0 3 1 1 *"}"#).status == 201)
        try #require(try await ada.post("/apikeys", #"{"user": "robot", "roles": ["reader"]}"#).status == 201)
        let started = try await ada.send("POST", "/backup/schedule", [], headers: [("Prefer", "wait=30")])
        let backup = try started.json()
        let id = try #require(backup["jobId"]?.string, "\(started.text)")
        let manifest = try #require(backup["manifest"], "\(started.text)")
        var names: Set<String> = []
        for entity in manifest["entities"]?.array ?? [] {
            for file in entity["files"]?.array ?? [] {
                let name = try #require(file["name"]?.string)
                let answer = try await ada.get("/backup/jobs/\(id)/archives/\(name)")
                try #require(answer.status == 200)
                let read = try await Self.read(answer.body)
                #expect(read.rows.count == file["rows"]?.integer, "\(name)")
                names.insert(name)
                guard name == "items-odd.csv" else { continue }
                #expect(read.rows.map { $0[3] }.contains("a, \"b\"\r\nc; 'd'"))
                #expect(read.rows.map { $0[3] }.contains("line\nline\n"))
                let second = try #require(read.nulls.first { $0[0] == "2" })
                #expect(second[3] == "" && second[1] == nil)
            }
        }
        #expect(
            names.isSuperset(of: ["items-odd.csv", "items-article.csv", "schedules.csv", "api-keys.csv", "audit-events.csv"]))
    }

    /// Files of every kind that a backup may have: an external table, long entities, the drive, deletions, segments.
    @Test("they read the same from every kind of file of full backups, increments and what was restored")
    func kinds() async throws {
        let outside = NSTemporaryDirectory() + "waybill-csv-\(UUID().uuidString).sqlite"
        defer { try? FileManager.default.removeItem(atPath: outside) }
        try await Tool.sqlite(
            outside,
            """
            CREATE TABLE things (nr INTEGER PRIMARY KEY, owner TEXT, text TEXT, size REAL);
            INSERT INTO things VALUES (1, 'acme', 'a, "b"' || char(13, 10) || 'c', 0.1), (2, 'acme', '', NULL),
              (3, 'acme', NULL, -1e-9), (4, 'globex', 'of another', 1);
            """)
        let dataset = """
            datasets:
              things: {source: \(outside), table: things, key: nr, tenantColumn: owner, readers: [everyone]}
            """
        try await withServer(["backup.archiveBytes": "12KiB"], configuration: dataset) { server in
            let ada = try await server.user("ada", of: "acme", "admin")
            try await fill(ada)
            let full = try await readBackup(ada, "{}")
            #expect(full.names.isSuperset(of: ["dataset-things.csv", "items-article.csv", "items-article.2.csv"]))
            #expect(full.rows["dataset-things.csv"]?.map { $0[2] } == ["a, \"b\"\r\nc", "", nil])
            for name in ["drive-files", "drive-bundles", "drive-pools", "drive-quotas", "api-keys", "schedules"] {
                #expect(full.rows["\(name).csv"]?.isEmpty == false, "\(name)")
            }
            for path in ["/content/types/odd/items/1", "/content/types/article/items/\(User.articleID(3))"] {
                #expect(try await ada.delete(path).status == 204)
            }
            let stored = try await ada.get("/api/files?limit=1").json().array?.first?["id"]?.string
            #expect(try await ada.delete("/api/files/\(try #require(stored))").status == 204)
            let increment = try await readBackup(ada, #"{"since": "last"}"#)
            #expect(increment.rows["deleted-odd.csv"]?.map { $0[0] } == ["1"])
            #expect(increment.rows["deleted-article.csv"]?.count == 1 && increment.rows["drive-deleted.csv"]?.count == 1)
            try await restore(increment.id, server)
            let eve = try await server.user("eve", of: "copy", "admin")
            let again = try await readBackup(eve, "{}")
            #expect(again.rows["audit-segments.csv"]?.isEmpty == false)
            #expect(again.rows["audit-segment-1.csv"]?.isEmpty == false)
        }
    }

    private func fill(_ ada: User) async throws {
        try await ada.makeArticles(300)
        try await ada.define("odd", #"{"name": "text", "type": "text"}"#)
        try await ada.store("odd", [#"{"id": "1", "text": "a, \"b\"\r\nc"}"#, #"{"id": "2", "text": ""}"#, #"{"id": "3"}"#])
        for name in ["plain", "a%2C%20%22b%22", "%C3%A9%20%F0%9F%98%80"] {
            let file = try await ada.send("POST", "/api/files?name=\(name)", Array(name.utf8), type: "text/plain")
            try #require(file.status == 201, "\(file.text)")
        }
        try #require(try await ada.post("/api/bundles", #"{"name": "a, \"b\""}"#).status == 201)
        try #require(try await ada.post("/api/pools", #"{"name": "p; q"}"#).status == 201)
        try #require(try await ada.put("/api/quota", #"{"bytes": 1000000}"#).status == 200)
        try #require(try await ada.post("/backup/schedule", #"{"cron": "0 3 1 1 *"}"#).status == 201)
        try #require(try await ada.post("/apikeys", #"{"user": "robot", "roles": ["reader"]}"#).status == 201)
    }

    /// Makes a backup and has all three read each of its files.
    /// - Returns: its id, the names, and the rows of each as DuckDB has them.
    private func readBackup(_ user: User, _ body: String) async throws -> (
        id: String, names: Set<String>, rows: [String: [[String?]]]
    ) {
        let started = try await user.send(
            "POST", "/backup/schedule", Array(body.utf8), type: "application/json", headers: [("Prefer", "wait=30")])
        let backup = try started.json()
        let id = try #require(backup["jobId"]?.string, "\(started.text)")
        var rows: [String: [[String?]]] = [:]
        for entity in try #require(backup["manifest"]?["entities"]?.array, "\(started.text)") {
            for file in entity["files"]?.array ?? [] {
                let name = try #require(file["name"]?.string)
                let answer = try await user.get("/backup/jobs/\(id)/archives/\(name)")
                try #require(answer.status == 200)
                let read = try await Self.read(answer.body)
                #expect(read.rows.count == file["rows"]?.integer, "\(name)")
                rows[name] = read.nulls
            }
        }
        return (id, Set(rows.keys), rows)
    }

    /// Restores a backup into the tenant `copy`.
    private func restore(_ backup: String, _ server: ServerFixture) async throws {
        let root = try await server.user("root", of: "ops", "system")
        let opened = try await root.post("/backup/restores", #"{"from": "\#(backup)", "tenant": "copy"}"#)
        let id = try #require(try opened.json()["id"]?.string, "\(opened.text)")
        let started = try await root.post("/backup/restores/\(id)/start?tenant=copy")
        #expect(started.status == 202, "\(started.text)")
        _ = try await poll("the restore") { () -> Bool? in
            try await root.get("/backup/restores/\(id)?tenant=copy").json()["status"]?.string == "completed" ? true : nil
        }
    }

    @Test(
        "they read the same from exports of content, in every profile and with another delimiter",
        arguments: ["", #", "csv": {"delimiter": ";", "bom": true}"#, #", "csv": {"profile": "spreadsheet"}"#])
    func content(_ more: String) async throws {
        let ada = try await filled()
        for (type, count) in [("article", 50), ("odd", 6)] {
            let file = try await ada.exportedFile(#"{"contentType": "\#(type)", "format": "csv"\#(more)}"#)
            let read = try await Self.read(file.body, delimiter: more.contains(";") ? ";" : ",")
            #expect(read.rows.count == count)
        }
    }

    @Test("they read the same from lists of failed rows, and from exports of the audit log")
    func others() async throws {
        let ada = try await filled()
        let lines = "id,year\r\n1,1\r\n\"2, \"\"x\"\"\",\"no\r\nnumber\"\r\n3,nor this\r\n"
        let started = try await ada.send(
            "POST", "/content/import?contentType=article&onError=continue", Array(lines.utf8), type: "text/csv",
            headers: [("Prefer", "wait=30")])
        let id = try #require(try started.json()["jobId"]?.string, "\(started.text)")
        for name in ["failed", "ledger"] {
            let file = try await ada.get("/content/import/\(id)/\(name)")
            try #require(file.status == 200, "\(file.text)")
            #expect(try await Self.read(file.body).rows.count == 2, "\(name)")
        }
        let asked = try await ada.post("/_api/v3/audit-log-bulk-export", #"{"filters": {}, "format": "csv"}"#)
        let export = try #require(try asked.json()["jobId"]?.string, "\(asked.text)")
        _ = try await poll("the export") { () -> Bool? in
            try await ada.get("/_api/v3/audit-log-bulk-export/\(export)").json()["status"]?.string == "completed" ? true : nil
        }
        let zip = try await ada.get("/_api/v3/audit-log-bulk-export/\(export)/download")
        let texts = try await Tool.python(
            "import json, sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); "
                + "print(json.dumps([z.read(n).decode() for n in z.namelist() if n.endswith('.csv')]))", zip.body)
        let files = (try JSON(Array(texts.utf8)).array ?? []).compactMap(\.string)
        #expect(files.count == 1)
        for file in files { #expect(try await Self.read(Array(file.utf8)).rows.count > 3) }
    }
}
