import Foundation

/// Other programs that read what the server has written, so that it is not its own judge.
enum Tool {
    /// Runs a Python program with the path of a file as its argument.
    /// - Returns: what it prints.
    static func python(_ program: String, _ bytes: [UInt8]) async throws -> String {
        let path = NSTemporaryDirectory() + "waybill-file-\(UUID().uuidString)"
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        let (status, output) = try await ServerProcess.run(["python3", "-c", program, path], program: "/usr/bin/env")
        guard status == 0 else { throw E2EError("python3: \(output)") }
        return output
    }

    /// Makes an SQLite file.
    static func sqlite(_ path: String, _ sql: String) async throws {
        let (status, output) = try await ServerProcess.run(["sqlite3", "-bail", path, sql], program: "/usr/bin/env")
        guard status == 0 else { throw E2EError("sqlite3: \(output)") }
    }

    /// Runs SQL on a PostgreSQL database.
    /// - Returns: the lines that it prints.
    @discardableResult
    static func psql(_ url: String, _ sql: String) async throws -> [String] {
        let (status, output) = try await ServerProcess.run(
            ["psql", "--no-psqlrc", "--quiet", "-At", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", sql], program: "/usr/bin/env")
        guard status == 0 else { throw E2EError("psql: \(output)") }
        return output.split(separator: "\n").map(String.init)
    }

    static func gunzipped(_ bytes: [UInt8]) async throws -> String {
        try await python("import gzip,sys; sys.stdout.write(gzip.open(sys.argv[1], 'rt', newline='').read())", bytes)
    }

    static func unpackedZstd(_ bytes: [UInt8]) async throws -> String {
        try await python("import subprocess,sys; subprocess.run(['zstd', '-qdc', sys.argv[1]], check=True)", bytes)
    }

    /// The files of a ZIP, each as its name, a colon and its text.
    static func unzipped(_ bytes: [UInt8]) async throws -> String {
        let program = """
            import sys, zipfile
            z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None
            sys.stdout.write("".join(n + ":" + z.read(n).decode() for n in z.namelist()))
            """
        return try await python(program, bytes)
    }

    /// The rows of a sheet as JSON arrays.
    static func sheet(_ bytes: [UInt8]) async throws -> JSON {
        let program = """
            import json, sys, zipfile, xml.etree.ElementTree as E
            n = '{http://schemas.openxmlformats.org/spreadsheetml/2006/main}'
            z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None
            shared = []
            if 'xl/sharedStrings.xml' in z.namelist():
                shared = [''.join(t.text or '' for t in s.iter(n + 't')) for s in E.fromstring(z.read('xl/sharedStrings.xml'))]
            rows = []
            for row in E.fromstring(z.read('xl/worksheets/sheet1.xml')).iter(n + 'row'):
                cells = []
                for c in row.iter(n + 'c'):
                    v = c.find(n + 'v')
                    text = v.text if v is not None else ''.join(t.text or '' for t in c.iter(n + 't'))
                    cells.append(shared[int(text)] if c.get('t') == 's' else text)
                rows.append(cells)
            print(json.dumps(rows))
            """
        return try JSON(Array(try await python(program, bytes).utf8))
    }

    /// CSV as another parser reads it: the rows as arrays of texts.
    static func csv(_ bytes: [UInt8], delimiter: String = ",") async throws -> [[String]] {
        let program = """
            import csv, json, sys
            print(json.dumps(list(csv.reader(open(sys.argv[1], encoding='utf-8', newline=''), delimiter='\(delimiter)'))))
            """
        let rows = try JSON(Array(try await python(program, bytes).utf8))
        return (rows.array ?? []).map { ($0.array ?? []).compactMap(\.string) }
    }
}
