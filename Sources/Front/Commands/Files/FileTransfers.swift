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

/// Moves several files one after the other. One that can't be moved does not stop the others, unless nothing can be.
struct FileTransfers {
    struct Outcome {
        var line: String
        var record: FileTransferRecord
    }

    let isJSON: Bool

    /// - Throws: `CommandFailure` with the status of the first error.
    func run(_ names: [String], _ move: (String, TransferDisplay) async throws -> Outcome) async throws {
        let context = CommandContext.current
        var records: [FileTransferRecord] = []
        var failed: ExitStatus?
        for name in names {
            let display = TransferDisplay(Self.shown(name), context, isQuiet: isJSON)
            do {
                let outcome = try await move(name, display)
                display.end()
                records.append(outcome.record)
                if !isJSON { context.terminal.say(outcome.line) }
            } catch {
                display.end()
                guard let failure = Self.failure(error) else { throw error }
                context.terminal.complain("waybill: \(name): \(failure)")
                failed = failed ?? failure.status
                let code = (error as? WaybillClientError)?.problem?.code
                records.append(FileTransferRecord(path: name, error: failure.description, code: code))
                if [.unreachable, .refused].contains(failure.status), (error as? WaybillClientError)?.status != 403 { break }
            }
        }
        if isJSON { context.terminal.say(try JSONText.pretty(records)) }
        if let failed { throw CommandFailure(failed, "") }
    }

    private static func failure(_ error: any Error) -> CommandFailure? {
        switch error {
        case let error as CommandFailure: error
        case let error as WaybillClientError: CommandFailure(ExitStatus(error), error.description)
        default: nil
        }
    }

    private static func shown(_ path: String) -> String {
        path.split(separator: "/").last.map(String.init) ?? path
    }
}
