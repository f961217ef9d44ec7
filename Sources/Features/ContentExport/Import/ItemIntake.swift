import Formats
import Web

/// How items come in.
public enum IntakeFormat: Sendable, Hashable, Codable {
    case ndjson
    case csv(delimiter: UInt8)

    /// - Throws: a problem: 415 for another media type, 400 for a wrong delimiter.
    init(_ contentType: String?, delimiter: String?) throws {
        let media = (contentType ?? "").prefix { $0 != ";" }.trimmed.lowercased()
        switch media {
        case "application/x-ndjson", "application/ndjson", "application/jsonl":
            guard delimiter == nil else { throw Problem.invalid("delimiter", "goes with CSV only") }
            self = .ndjson
        case "text/csv":
            let bytes = Array((delimiter ?? ",").utf8)
            guard bytes.count == 1, let byte = bytes.first, CSVStyle.isDelimiter(byte) else {
                throw Problem.invalid("delimiter", "must be one ASCII character that can separate fields")
            }
            self = .csv(delimiter: byte)
        default: throw Problem.unsupportedMediaType("text/csv and application/x-ndjson are taken")
        }
    }
}

extension Substring {
    fileprivate var trimmed: String {
        String(drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
    }
}

/// A row that can't be stored.
struct RowFailure: Sendable, Hashable {
    /// Where it starts, from 1.
    var line: Int
    var code: String
    var message: String
    var field: String?
    /// As it came in, without its line end; nil if it was not kept, or is the header.
    var raw: [UInt8]?
    /// What follows can't be understood any more.
    var isFatal: Bool
}

/// Turns a stream of NDJSON or CSV into items, in bounded memory. It has one owner.
final class ItemIntake {
    struct Batch {
        var items: [EncodedItem] = []
        var failures: [RowFailure] = []
        /// Rows that were looked at for it, the failed ones included.
        var rows = 0
        /// Bytes of bodies, and index rows.
        var bytes = 0
        var entries = 0
        /// It has as much as it may have.
        var isFull = false

        mutating func append(_ item: EncodedItem) {
            items.append(item)
            bytes += item.body.utf8.count
            entries += item.entries.count
        }
    }

    private let encoder: ItemEncoder
    private let lines: LineSplitter?
    private let parser: CSVParser?
    // Not checked at run time: there is one owner, and no closure of a caller runs while a property is being changed.
    @exclusivity(unchecked) private var columns: ItemColumns?
    @exclusivity(unchecked) private var waiting = Batch()
    @exclusivity(unchecked) private(set) var isBroken = false
    /// The CSV header as it came in.
    private(set) var header: [UInt8] = []

    init(format: IntakeFormat, type: ContentType) {
        encoder = ItemEncoder(type: type)
        switch format {
        case .ndjson:
            lines = LineSplitter()
            parser = nil
        case .csv(let delimiter):
            lines = nil
            parser = CSVParser(delimiter: delimiter)
        }
    }

    func push(_ bytes: UnsafeBufferPointer<UInt8>) {
        lines?.push(bytes)
        parser?.push(bytes)
    }

    func finish() {
        lines?.finish()
        parser?.finish()
    }

    /// A batch without failures that was not needed yet: the next one begins with it.
    func putBack(_ batch: Batch) {
        waiting = batch
    }

    /// The next rows, up to the limit; fewer when more bytes are needed. It ends at a failure.
    func batch(_ limit: BatchLimit, throughFailures: Bool = false) -> Batch {
        var batch = waiting
        waiting = Batch()
        while !limit.isReached(by: batch) {
            guard !isBroken, let row = next() else { return batch }
            switch row {
            case .success(let item): batch.append(item)
            case .failure(let failure):
                batch.failures.append(failure)
                isBroken = failure.isFatal
                guard throughFailures else { return batch }
            }
            batch.rows += 1
        }
        batch.isFull = true
        return batch
    }

    private enum Row {
        case success(EncodedItem)
        case failure(RowFailure)
    }

    private func next() -> Row? {
        if let lines { return nextLine(lines) }
        return parser.flatMap(nextRecord)
    }

    private func nextLine(_ lines: LineSplitter) -> Row? {
        switch lines.next() {
        case nil: return nil
        case .tooLong(let number):
            return .failure(
                RowFailure(line: number, code: "LINE_TOO_LONG", message: "the line has more than 1 MiB", raw: nil, isFatal: false)
            )
        case .line(let bytes, let number):
            do {
                return .success(try encoder.encode(json: bytes))
            } catch {
                return .failure(RowFailure(error, line: number, raw: Array(bytes)))
            }
        }
    }

    private func nextRecord(_ parser: CSVParser) -> Row? {
        while let item = parser.next() {
            switch item {
            case .failure(let error, let raw):
                // Without its header nothing of the file can be understood.
                return .failure(
                    RowFailure(
                        line: error.line, code: error.code.name, message: error.message, raw: Array(raw),
                        isFatal: error.isFatal || columns == nil))
            case .record(let record):
                guard let columns else {
                    if let failure = readHeader(record) { return .failure(failure) }
                    continue
                }
                do {
                    return .success(try encoder.encode(record, columns: columns))
                } catch {
                    return .failure(RowFailure(error, line: record.line, raw: Array(record.raw)))
                }
            }
        }
        return nil
    }

    private func readHeader(_ record: CSVRecord) -> RowFailure? {
        header = Array(record.raw)
        do {
            columns = try encoder.columns(header: record)
            return nil
        } catch {
            return RowFailure(
                line: record.line, code: error.code.description, message: error.message, field: error.field, raw: nil,
                isFatal: true)
        }
    }
}

extension RowFailure {
    init(_ error: ItemError, line: Int, raw: [UInt8]) {
        self.init(
            line: line, code: error.code.description, message: error.field.map { "\($0): \(error.message)" } ?? error.message,
            field: error.field, raw: raw, isFatal: false)
    }
}
