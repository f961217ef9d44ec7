import Datasets
import Formats

/// What each column of a CSV file is.
public struct ItemColumns: Sendable {
    /// Indices of the encoder's names.
    let names: [Int]
    /// For each name, the column that has it, or -1.
    let columns: [Int]

    public var count: Int { names.count }
}

extension ItemEncoder {
    /// Reads a header: `id`, fields, `language`, `readers`, in any order.
    /// - Throws: `ContentError` with code `.badHeader`.
    public func columns(header: CSVRecord) throws(ContentError) -> ItemColumns {
        var found: [Int] = []
        var columns = Array(repeating: -1, count: names.count)
        for column in 0..<header.count {
            let text = header[column].bytes
            let title = String(decoding: text, as: UTF8.self)
            guard let name = names.firstIndex(where: { Self.equal(text, $0) }) else {
                throw ContentError(.badHeader, "the type \(type.name) has no field \(title)", field: title)
            }
            guard columns[name] < 0 else { throw ContentError(.badHeader, "the column \(title) stands twice", field: title) }
            columns[name] = column
            found.append(name)
        }
        guard columns[Self.idName] >= 0 else { throw ContentError(.badHeader, "there is no column id", field: "id") }
        return ItemColumns(names: found, columns: columns)
    }

    /// Encodes one record. Empty without quotes is absent; `""` is an empty text, and absent in fields that hold no text.
    /// Lists, tags and readers follow `ListText`.
    /// - Throws: `ItemError`.
    public func encode(_ record: CSVRecord, columns: ItemColumns) throws(ItemError) -> EncodedItem {
        guard record.count == columns.count else {
            throw ItemError(.wrongColumnCount, "\(record.count) columns, and the header has \(columns.count)")
        }
        let id = record[columns.columns[Self.idName]].bytes
        guard (1...Self.idBytesMax).contains(id.count), !id.contains(0) else { throw Self.badID }
        guard UTF8Check.isValid(id) else { throw ItemError(.badText, "the id is not UTF-8", field: "id") }
        var item = EncodedItem(id: String(decoding: id, as: UTF8.self), language: nil, readers: nil, body: "")
        if let bytes = text(Self.languageName, record, columns) {
            item.language = try Self.checkedLanguage(String(decoding: bytes, as: UTF8.self))
        }
        if let bytes = text(Self.readersName, record, columns) {
            guard UTF8Check.isValid(bytes), let entries = ListText.elements(String(decoding: bytes, as: UTF8.self)) else {
                throw ItemError(.badReaders, "readers is a list with a wrong escape or bad UTF-8", field: "readers")
            }
            item.readers = try Self.checkedReaders(entries)
        }
        beginBody()
        for index in values.indices {
            valueStarts[index] = out.count
            let column = columns.columns[Self.reservedCount + index]
            guard column >= 0, !record[column].isNull else {
                try values[index].appendAbsence(to: out)
                continue
            }
            try values[index].append(record[column], to: out, scratch: scratch)
        }
        return try finish(item)
    }

    private func text(_ name: Int, _ record: CSVRecord, _ columns: ItemColumns) -> UnsafeBufferPointer<UInt8>? {
        let column = columns.columns[name]
        guard column >= 0, !record[column].bytes.isEmpty else { return nil }
        return record[column].bytes
    }
}

extension FieldEncoder {
    /// Appends the value. An empty text is absent in a field that holds no text.
    func append(_ value: CSVField, to out: OutputBuffer, scratch: OutputBuffer) throws(ItemError) {
        let bytes = value.bytes
        if isList { return try appendList(bytes, to: out, scratch: scratch) }
        if bytes.isEmpty, kind != .text { return try appendAbsence(to: out) }
        if kind == .json, (try? JSONValue.scan(bytes))?.kind == .null { return try appendAbsence(to: out) }
        try appendScalar(bytes, to: out)
        out.append(UInt8(ascii: ","))
    }

    private func appendList(_ bytes: UnsafeBufferPointer<UInt8>, to out: OutputBuffer, scratch: OutputBuffer) throws(ItemError) {
        var count = 0
        let isRight: Bool
        do {
            isRight = try ListText.forEach(in: bytes, scratch: scratch) { element in
                beginElement(count, out)
                count += 1
                try appendScalar(element, to: out)
            }
        } catch let error as ItemError {
            throw error
        } catch {
            throw ItemError(.badListElement, "\(field.name) can't be read", field: field.name)
        }
        guard isRight else {
            throw ItemError(.badListElement, "in \(field.name) a backslash stands before neither | nor \\", field: field.name)
        }
        try endList(count, out)
    }

    private func appendScalar(_ bytes: UnsafeBufferPointer<UInt8>, to out: OutputBuffer) throws(ItemError) {
        switch kind {
        case .text, .tags, .reference: try appendText(bytes, out)
        case .integer: try appendInteger(bytes, out)
        case .datetime: try appendInstant(bytes, out)
        case .boolean:
            let isTrue = bytes.elementsEqual("true".utf8)
            guard isTrue || bytes.elementsEqual("false".utf8) else {
                throw ItemError(.wrongType, "\(field.name) must be true or false", field: field.name)
            }
            out.append(isTrue ? "true" : "false")
        case .number:
            guard let value = try? JSONValue.scan(bytes), value.isNumber else {
                throw ItemError(.wrongType, "\(field.name) must be a number", field: field.name)
            }
            guard let number = value.double(in: bytes), out.appendDecimal(number) else {
                throw ItemError(.outOfRange, "\(field.name) does not fit a double", field: field.name)
            }
        case .json:
            guard let value = try? JSONValue.scan(bytes) else {
                throw ItemError(.wrongType, "\(field.name) must be JSON", field: field.name)
            }
            value.appendCanonical(in: bytes, to: out)
        }
    }
}
