import WaybillClient

/// What came of one file, as JSON.
struct FileTransferRecord: Encodable {
    /// Here.
    var path: String
    /// There.
    var file: WaybillFile?
    var wasThere: Bool?
    var resumedFrom: Int64?
    var error: String?
    /// The server's code of the error.
    var code: String?
}

/// Moves files, several side by side. One that can't be moved does not stop the others, unless nothing can be.
struct FileTransfers {
    struct Outcome: Sendable {
        var line: String
        var record: FileTransferRecord
    }

    private struct Moved: Sendable {
        var index: Int
        var outcome: Result<Outcome, CommandFailure>
        /// The server's code of the error.
        var code: String?
        /// The others would fare no better.
        var endsAll = false
    }

    /// What is to be moved, each once.
    private let names: [String]
    private let atOnce: Int
    private let isJSON: Bool

    init(_ names: [String], atOnce: Int, isJSON: Bool) {
        var seen: Set<String> = []
        self.names = names.filter { seen.insert($0).inserted }
        self.atOnce = atOnce
        self.isJSON = isJSON
    }

    /// - Throws: `CommandFailure` with the status of the first file that could not be moved.
    func run(_ move: @escaping @Sendable (String, TransferDisplay.Line) async throws -> Outcome) async throws {
        let context = CommandContext.current
        let display = TransferDisplay(context, isQuiet: isJSON)
        var records: [(index: Int, record: FileTransferRecord)] = []
        var failures: [(index: Int, status: ExitStatus)] = []
        try await withThrowingTaskGroup(of: Moved.self) { group in
            var rest = names.indices[...]
            var isEnded = false
            func begin() {
                guard let index = rest.popFirst() else { return }
                group.addTask { [names] in try await Self.moving(index, names[index], display, move) }
            }
            for _ in 0..<atOnce { begin() }
            while let moved = try await group.next() {
                let name = names[moved.index]
                switch moved.outcome {
                case .success(let outcome):
                    records.append((moved.index, outcome.record))
                    if !isJSON { context.terminal.say(outcome.line) }
                case .failure(let failure):
                    // What keeps all of them back is said once.
                    if !(moved.endsAll && isEnded) { context.terminal.complain("waybill: \(name): \(failure)") }
                    failures.append((moved.index, failure.status))
                    records.append(
                        (moved.index, FileTransferRecord(path: name, error: failure.description, code: moved.code)))
                    isEnded = isEnded || moved.endsAll
                }
                if !isEnded { begin() }
            }
        }
        if isJSON { context.terminal.say(try JSONText.pretty(records.sorted { $0.index < $1.index }.map(\.record))) }
        if let first = failures.min(by: { $0.index < $1.index }) { throw CommandFailure(first.status, "") }
    }

    private static func moving(
        _ index: Int, _ name: String, _ display: TransferDisplay,
        _ move: @Sendable (String, TransferDisplay.Line) async throws -> Outcome
    ) async throws -> Moved {
        let line = display.begin(shown(name))
        defer { line.end() }
        do {
            return Moved(index: index, outcome: .success(try await move(name, line)))
        } catch let error as CommandFailure {
            return Moved(index: index, outcome: .failure(error))
        } catch let error as WaybillClientError {
            let status = ExitStatus(error)
            return Moved(
                index: index, outcome: .failure(CommandFailure(status, error.description)), code: error.problem?.code,
                endsAll: [.unreachable, .refused].contains(status) && error.status != 403)
        }
    }

    private static func shown(_ path: String) -> String {
        path.split(separator: "/").last.map(String.init) ?? path
    }
}
