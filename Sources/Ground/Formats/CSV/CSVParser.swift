/// Reads CSV that arrives in pieces: `push` bytes, then call `next` until it gives nil; after the last piece call `finish` and
/// `next` until nil again. Strict RFC 4180, LF accepted for CRLF, a byte order mark at the start is skipped.
///
/// Its memory is one record and one piece. What `next` gives points into it and is valid until the next call.
public final class CSVParser {
    private enum State { case fieldStart, unquoted, quoted, quoteSeen }
    private enum Step { case more, record, failed(CSVError.Code) }

    private let delimiter: UInt8
    private let recordBytesMax: Int
    private let skipsBlankLines: Bool

    @exclusivity(unchecked) private var input = PieceBuffer()
    @exclusivity(unchecked) private var fields: CSVFieldTable
    private let scratch = OutputBuffer()

    // The current record; offsets are relative to its start.
    @exclusivity(unchecked) private var state = State.fieldStart
    @exclusivity(unchecked) private var scanned = 0
    @exclusivity(unchecked) private var fieldStart = 0
    @exclusivity(unchecked) private var fieldEnd = 0
    @exclusivity(unchecked) private var fieldFlags: UInt8 = 0
    @exclusivity(unchecked) private var recordFlags: UInt8 = 0
    /// The line on which the record starts, and the one that `scanned` counts from.
    @exclusivity(unchecked) private var recordLine = 1
    @exclusivity(unchecked) private var line = 1
    /// Bytes of the record that was given out last, dropped at the next call.
    @exclusivity(unchecked) private var given = 0
    /// The record was refused already and is passed over to its end.
    @exclusivity(unchecked) private var isSkipping = false
    @exclusivity(unchecked) private var isStarted = false
    @exclusivity(unchecked) private var isFinished = false
    @exclusivity(unchecked) private var isBroken = false

    /// - Parameters:
    ///   - recordBytesMax: a longer record is a failure, and reading goes on behind it.
    ///   - fieldsMax: a record with more fields is a failure as well.
    ///   - skipsBlankLines: false makes an empty line a record of one null field.
    public init(
        delimiter: UInt8 = UInt8(ascii: ","), recordBytesMax: Int = 1 << 20, fieldsMax: Int = 16_384, skipsBlankLines: Bool = true
    ) {
        self.delimiter = delimiter
        self.recordBytesMax = min(max(recordBytesMax, 1), 1 << 30)
        self.skipsBlankLines = skipsBlankLines
        fields = CSVFieldTable(limit: max(fieldsMax, 1))
    }

    /// Takes the next piece of the input.
    public func push(_ bytes: UnsafeBufferPointer<UInt8>) {
        dropGiven()
        if !isBroken { input.push(bytes) }
    }

    public func push(_ bytes: [UInt8]) {
        bytes.withUnsafeBufferPointer { push($0) }
    }

    /// Says that no more input comes.
    public func finish() {
        isFinished = true
    }

    /// The next record or failure, or nil when more input is needed, or after `finish` when all is read.
    public func next() -> CSVItem? {
        dropGiven()
        if isBroken { return nil }
        if !isStarted {
            isStarted = input.dropByteOrderMark(isFinished: isFinished)
            if !isStarted { return nil }
        }
        while true {
            let step = scan()
            switch step {
            case .failed(let code):
                return refuse(isOverlong ? .recordTooLong : code)
            case .record:
                if let item = close(lineEnd: true) { return item }
            case .more:
                if isOverlong { return refuse(.recordTooLong) }
                if isSkipping { skipScanned() }
                return isFinished ? last() : nil
            }
        }
    }

    /// Whether an unfinished record is too long, line end or not. It does not depend on where the pieces end.
    private var isOverlong: Bool { !isSkipping && scanned > recordBytesMax + 1 }

    /// Goes on to the record's end, the input's end or something wrong.
    private func scan() -> Step {
        let base = input.unread
        let end = input.unreadCount
        let delimiter = delimiter
        let delimiters = ByteScan.pattern(delimiter)
        var at = scanned
        var state = state
        defer {
            scanned = at
            self.state = state
        }
        while at < end {
            switch state {
            case .fieldStart:
                guard isSkipping || fields.hasRoom() else { return .failed(.tooManyFields) }
                let isQuoted = base[at] == 0x22
                fieldFlags = isQuoted ? CSVFieldPlace.quoted : 0
                recordFlags |= fieldFlags
                state = isQuoted ? .quoted : .unquoted
                if isQuoted { at &+= 1 }
                fieldStart = at
            case .unquoted:
                at = CSVParser.findSpecial(base, at, end, delimiters, delimiter)
                guard at < end else { return .more }
                let byte = base[at]
                if byte == 0x22 { return .failed(.strayQuote) }
                fieldEnd = at
                if byte != delimiter, at > fieldStart, base[at &- 1] == 0x0D { fieldEnd = at &- 1 }
                addField()
                at &+= 1
                state = .fieldStart
                if byte != delimiter { return .record }
            case .quoted:
                at = ByteScan.find(0x22, in: base, from: at, to: end)
                guard at < end else { return .more }
                fieldEnd = at
                at &+= 1
                state = .quoteSeen
            case .quoteSeen:
                let byte = base[at]
                if byte == 0x22 {
                    fieldFlags |= CSVFieldPlace.doubled
                    recordFlags |= CSVFieldPlace.doubled
                    at &+= 1
                    state = .quoted
                    continue
                }
                let isReturn = byte == 0x0D
                if isReturn, at &+ 1 == end { return .more }
                guard byte == delimiter || byte == 0x0A || (isReturn && base[at &+ 1] == 0x0A) else {
                    return .failed(.textAfterQuote)
                }
                addField()
                at &+= isReturn ? 2 : 1
                state = .fieldStart
                if byte != delimiter { return .record }
            }
        }
        return .more
    }

    /// The first delimiter, line feed or quote.
    @inline(__always) private static func findSpecial(
        _ base: UnsafePointer<UInt8>, _ start: Int, _ end: Int, _ delimiters: UInt64, _ delimiter: UInt8
    ) -> Int {
        var at = start
        while at &+ 8 <= end {
            let word = ByteScan.load(base + at)
            let marks =
                ByteScan.zero(word ^ delimiters) | ByteScan.zero(word ^ 0x0A0A_0A0A_0A0A_0A0A)
                | ByteScan.zero(word ^ 0x2222_2222_2222_2222)
            if marks != 0 { return at &+ ByteScan.first(marks) }
            at &+= 8
        }
        while at < end, base[at] != delimiter, base[at] != 0x0A, base[at] != 0x22 { at &+= 1 }
        return at
    }

    @inline(__always) private func addField() {
        if isSkipping { return }
        fields.append(
            CSVFieldPlace(
                start: UInt32(truncatingIfNeeded: fieldStart), length: UInt32(truncatingIfNeeded: fieldEnd &- fieldStart),
                flags: fieldFlags))
    }

    /// Ends the record that reaches to `scanned`, and gives it unless it is blank or was refused before.
    private func close(lineEnd: Bool) -> CSVItem? {
        let base = input.unread
        var length = scanned
        if lineEnd {
            length -= 1
            if length > 0, base[length - 1] == 0x0D { length -= 1 }
        }
        let raw = UnsafeBufferPointer(start: base, count: length)
        let first = recordLine
        given = scanned
        line += recordFlags == 0 && !isSkipping ? 1 : ByteScan.count(0x0A, in: UnsafeBufferPointer(start: base, count: scanned))
        recordLine = line
        let wasSkipping = isSkipping
        let doubled = recordFlags & CSVFieldPlace.doubled != 0
        isSkipping = false
        recordFlags = 0
        scanned = 0
        state = .fieldStart
        if wasSkipping || (length == 0 && skipsBlankLines) {
            dropGiven()
            return nil
        }
        if length > recordBytesMax { return .failure(CSVError(.recordTooLong, line: first), raw: raw) }
        if let code = CSVParser.textProblem(base, length) { return .failure(CSVError(code, line: first), raw: raw) }
        if doubled { fields.undouble(from: base, into: scratch) }
        return .record(
            CSVRecord(
                raw: raw, line: first, places: UnsafeBufferPointer(start: fields.places, count: fields.count), base: base,
                scratch: UnsafePointer(scratch.base)))
    }

    private static func textProblem(_ base: UnsafePointer<UInt8>, _ length: Int) -> CSVError.Code? {
        if UTF8Check.firstInvalid(base, length) != nil { return .invalidUTF8 }
        return ByteScan.find(0, in: base, from: 0, to: length) < length ? .nul : nil
    }

    /// After `finish`: the record without a line end, if there is one.
    private func last() -> CSVItem? {
        switch state {
        case .fieldStart:
            if scanned == 0 { return nil }
            guard isSkipping || fields.hasRoom() else { return refuse(.tooManyFields) }
            (fieldStart, fieldEnd, fieldFlags) = (scanned, scanned, 0)
        case .unquoted:
            fieldEnd = scanned
            if fieldEnd > fieldStart, input.unread[fieldEnd - 1] == 0x0D { fieldEnd -= 1 }
        case .quoted:
            return refuse(.unterminatedQuote)
        case .quoteSeen:
            // At most a CR stands behind the quote.
            scanned = input.unreadCount
        }
        addField()
        return close(lineEnd: false)
    }

    /// Gives a failure; the record is passed over if what follows can be told.
    private func refuse(_ code: CSVError.Code) -> CSVItem? {
        let error = CSVError(code, line: recordLine)
        let known = min(code.isFatal ? input.unreadCount : scanned, recordBytesMax)
        let raw = UnsafeBufferPointer(start: input.unread, count: known)
        if code.isFatal {
            isBroken = true
        } else {
            isSkipping = true
            fields.clear()
        }
        return .failure(error, raw: raw)
    }

    /// Lets go of the looked-at bytes of a record that is passed over.
    private func skipScanned() {
        let passed = scanned
        line += ByteScan.count(0x0A, in: UnsafeBufferPointer(start: input.unread, count: passed))
        input.drop(passed)
        fieldStart = 0
        scanned = 0
    }

    private func dropGiven() {
        guard given > 0 else { return }
        input.drop(given)
        given = 0
        fields.clear()
    }
}
