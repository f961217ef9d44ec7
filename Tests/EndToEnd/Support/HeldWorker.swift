import Foundation
import Testing

/// The only worker of a server, which holds on to an export that never ends by itself: whatever else is asked for waits until it
/// is let go, however long that takes.
struct HeldWorker: Sendable {
    /// Whose export it is. His tenant has nothing else.
    let owner: User
    let job: String

    private static let dataset = "endless"

    fileprivate init(_ server: ServerFixture) async throws {
        owner = try await server.user("holder", of: "holders", "editor")
        job = try await owner.export(#"{"dataset": "\#(Self.dataset)", "format": "csv"}"#)
        _ = try await owner.wait(job, for: ["running"])
    }

    /// Lets the worker go on with what waits.
    func release(sourceLocation: SourceLocation = #_sourceLocation) async throws {
        let answer = try await owner.post("\(User.exports)/\(job)/cancel", sourceLocation: sourceLocation)
        #expect(answer.status == 202, "the worker was not held: \(answer.text)", sourceLocation: sourceLocation)
        _ = try await owner.wait(job, for: ["cancelled"], sourceLocation: sourceLocation)
    }

    /// A view that is searched for ever: its rows are counted, and there is always one more to be looked at.
    fileprivate static func makeTable(_ path: String) async throws {
        try await Tool.sqlite(
            path,
            """
            CREATE TABLE words (word TEXT);
            INSERT INTO words VALUES ('one');
            CREATE VIEW \(dataset) AS
              WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i % 1000 + 1 FROM n)
              SELECT word, word AS text FROM words, n WHERE n.i < 0;
            """)
    }

    fileprivate static func configuration(_ path: String) -> String {
        """
        datasets:
          \(dataset):
            source: \(path)
            table: \(dataset)
            key: word
            tenants: [holders]
            readers: [everyone]
        """
    }
}

/// Starts a server with one worker, which can be held.
func withOneWorker<T: Sendable>(
    _ settings: [String: String] = [:], _ body: @Sendable (ServerFixture) async throws -> T
) async throws -> T {
    let path = NSTemporaryDirectory() + "waybill-e2e-\(UUID().uuidString).sqlite"
    defer { try? FileManager.default.removeItem(atPath: path) }
    try await HeldWorker.makeTable(path)
    let settings = settings.merging(["engine.workers": "1"]) { $1 }
    return try await withServer(settings, configuration: HeldWorker.configuration(path), body)
}

extension ServerFixture {
    /// Holds the only worker. What is needed beforehand must have ended.
    func holdWorker() async throws -> HeldWorker {
        try await HeldWorker(self)
    }
}
