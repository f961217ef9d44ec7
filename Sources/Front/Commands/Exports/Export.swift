import ArgumentParser
import WaybillClient

extension ExportRequest.Format: ExpressibleByArgument {}
extension ExportRequest.Compression: ExpressibleByArgument {}
extension ExportRequest.OnError: ExpressibleByArgument {}
extension ExportRequest.CSV.Profile: ExpressibleByArgument {}

/// `waybill export`
struct ExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Exports content, shows how far it is, and loads the file down.",
        discussion: "Without --output, the signed link is printed.\n\n\(ExitStatus.help)")

    @OptionGroup var server: ServerOptions

    @Option(help: "The content type.")
    var type: String?

    @Option(help: ArgumentHelp("Several content types, with commas between; each makes a part.", valueName: "types"))
    var types: String?

    @Option(help: "A data set of the server's configuration.")
    var dataset: String?

    @Option(help: "Which items: status:published AND year:[2020 TO 2024].")
    var query: String?

    @Option(help: ArgumentHelp("The columns, with commas between.", valueName: "fields"))
    var fields: String?

    @Option(help: ArgumentHelp("Only items in these languages, with commas between.", valueName: "languages"))
    var languages: String?

    @Option(help: ArgumentHelp("id or indexed fields, with commas between; --sort=-year for falling order.", valueName: "fields"))
    var sort: String?

    @Option(help: "csv, ndjson, json or xlsx.")
    var format = ExportRequest.Format.csv

    @Option(help: "none, gzip, zip or zstd.")
    var compression: ExportRequest.Compression?

    @Option(name: .customLong("on-error"), help: "What an item that can't be written does: stop or continue.")
    var onError: ExportRequest.OnError?

    @Option(help: "The name of the file, for those who load it down.")
    var filename: String?

    @Option(name: .customLong("part-rows"), help: ArgumentHelp("Begins a new file after so many rows.", valueName: "rows"))
    var partRows: Int?

    @Option(
        name: .customLong("part-bytes"),
        help: ArgumentHelp("Begins a new file after so many bytes, from 1024; not for xlsx.", valueName: "bytes"))
    var partBytes: Int64?

    @Option(name: .customLong("csv-profile"), help: "Of CSV: rfc4180, or spreadsheet, which takes no text for a formula.")
    var csvProfile: ExportRequest.CSV.Profile?

    @Flag(name: .customLong("csv-bom"), help: "Of CSV: a byte order mark stands first.")
    var csvBOM = false

    @Option(name: .customLong("csv-delimiter"), help: ArgumentHelp("Of CSV: what separates fields.", valueName: "character"))
    var csvDelimiter: String?

    @Option(name: .shortAndLong, help: ArgumentHelp("Loads the file down to this path.", valueName: "file"))
    var output: String?

    @Flag(name: .customLong("no-wait"), help: "Prints the job's id and leaves.")
    var noWait = false

    @Flag(help: "Prints the job as JSON, and no progress.")
    var json = false

    func validate() throws {
        guard [type, types, dataset].compactMap({ $0 }).count == 1 else {
            throw ValidationError("Give one of --type, --types and --dataset.")
        }
        if noWait, output != nil { throw ValidationError("--output waits for the file, so it can't be used with --no-wait.") }
    }

    var request: ExportRequest {
        ExportRequest(
            contentType: type, contentTypes: ExportCommand.list(types), dataset: dataset, query: query,
            fields: ExportCommand.list(fields), languages: ExportCommand.list(languages), sort: ExportCommand.list(sort),
            format: format, compression: compression, onError: onError, filename: filename, partRows: partRows,
            partBytes: partBytes, csv: csv)
    }

    private var csv: ExportRequest.CSV? {
        guard csvProfile != nil || csvBOM || csvDelimiter != nil else { return nil }
        return ExportRequest.CSV(profile: csvProfile, bom: csvBOM ? true : nil, delimiter: csvDelimiter)
    }

    func run() async throws {
        try await server.withClient { client in
            let started = try await client.exports.create(request)
            let terminal = CommandContext.current.terminal
            if noWait {
                terminal.say(json ? try JSONText.pretty(started) : started.id)
                return
            }
            var watcher = JobWatcher(terminal: terminal, isQuiet: json)
            _ = try await watcher.follow(client.exports.monitor(started.id))
            // The event tells the end; only the export itself has the link for this user.
            let job = try await client.exports.get(started.id)
            guard job.state == .completed else {
                if json { terminal.say(try JSONText.pretty(job)) }
                throw JobOutcome.failure(job)
            }
            if let output { try await load(job, to: output, client) }
            report(job, client)
            if json { terminal.say(try JSONText.pretty(job)) }
        }
    }

    private func load(_ job: WaybillJob, to path: String, _ client: WaybillClient) async throws {
        let terminal = CommandContext.current.terminal
        let isQuiet = json
        let file = try await client.exports.download(job.id, to: path) { bytes, total in
            guard !isQuiet else { return }
            let whole = total.map { " of \(Figures.bytes($0))" } ?? ""
            terminal.overwrite("\(path): \(Figures.bytes(bytes))\(whole)")
        }
        guard !json else { return }
        if terminal.width != nil { terminal.complain("") }
        terminal.say("\(path)  \(Figures.bytes(file.bytes))  SHA-256 \(file.sha256)\(file.isVerified ? "" : " (not compared)")")
    }

    private func report(_ job: WaybillJob, _ client: WaybillClient) {
        let terminal = CommandContext.current.terminal
        guard !json else { return }
        if let result = job.result, let exported = result.exported {
            let failed = result.failed.map { $0 == 0 ? "" : ", \(Figures.grouped($0)) failed" } ?? ""
            terminal.complain(
                "\(Figures.grouped(exported)) of \(Figures.grouped(result.total ?? exported)) items exported\(failed)")
            for error in (result.errors ?? []).prefix(10) {
                terminal.complain("  \(error.id ?? "?"): \(error.message ?? error.code ?? "")")
            }
        }
        // A server that does not know its own address leaves it out.
        if output == nil, let link = job.downloadUrl { terminal.say(link.hasPrefix("/") ? client.url + link : link) }
    }

    private static func list(_ text: String?) -> [String]? {
        text?.split(separator: ",").map { String($0.drop { $0 == " " }) }
    }
}
