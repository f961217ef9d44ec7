import Formats
import WaybillEngine

/// Lists the rows that could not be exported in a file of their own.
struct FailureWriter {
    let target: ExportTarget
    /// No part has this name: behind the file's name they have a hyphen or their format.
    private let fileName: String
    private var writer: ArtifactWriter?

    init(target: ExportTarget, options: ExportOptions) {
        self.target = target
        fileName = options.filename + ".errors.csv"
    }

    mutating func append(_ failures: [ItemFailure], isFirst: Bool) async throws {
        guard !failures.isEmpty else { return }
        let artifact = try await open()
        let csv = CSVWriter()
        let out = OutputBuffer(capacity: 4096)
        func row(_ texts: [String]) {
            for text in texts {
                var text = text
                _ = text.withUTF8 { csv.text($0, to: out) }
            }
            csv.endRow(out)
        }
        if isFirst { row(["id", "code", "message"]) }
        for failure in failures { row([failure.id, failure.code, failure.message]) }
        try await artifact.append(out.takeBytes())
    }

    private mutating func open() async throws -> ArtifactWriter {
        if let writer { return writer }
        let opened = try await target.artifact(fileName, ExportOptions.Format.csv.contentType)
        writer = opened
        return opened
    }

    /// - Parameter rows: how many were listed, now and before.
    mutating func finish(rows: Int64) async throws {
        guard rows > 0 else { return }
        let artifact = try await open()
        let facts = PartFacts(role: .errors, rows: rows, rawLength: await artifact.length, crc32: nil, isDeflated: false)
        await artifact.close(facts: try JobCoding.encode(facts))
    }
}
