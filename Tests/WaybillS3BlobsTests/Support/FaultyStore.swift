import Crypto
import Synchronization

/// A small S3 in memory, with faults on order.
final class FaultyStore: Sendable {
    struct Fault: Sendable {
        enum Moment: Sendable { case before, after }

        var operation: Operation
        var times: Int
        /// Whether the store does what was asked before things go wrong.
        var moment: Moment
        var reaction: @Sendable (Reaction) -> Reaction
    }

    enum Operation: Sendable, Hashable { case put, start, part, complete, abort, head, get, delete, other }

    struct Object: Sendable {
        var bytes: [UInt8]
        var marker: String?
        var tag: String
    }

    private struct Upload {
        var path: String
        var marker: String?
        var parts: [Int: [UInt8]] = [:]
    }

    private struct State {
        var objects: [String: Object] = [:]
        var uploads: [String: Upload] = [:]
        var faults: [Fault] = []
        var seen: [(operation: Operation, request: ReceivedRequest)] = []
        var counter = 0
    }

    private let state = Mutex(State())

    var objects: [String: Object] { state.withLock { $0.objects } }
    var uploadCount: Int { state.withLock { $0.uploads.count } }
    func count(_ operation: Operation) -> Int { state.withLock { $0.seen.count { $0.operation == operation } } }
    func requests(_ operation: Operation) -> [ReceivedRequest] {
        state.withLock { $0.seen.filter { $0.operation == operation }.map(\.request) }
    }

    func set(_ path: String, _ bytes: [UInt8], marker: String? = nil) {
        state.withLock { $0.objects[path] = Object(bytes: bytes, marker: marker, tag: FaultyStore.tag(bytes)) }
    }

    func fail(
        _ operation: Operation, times: Int = 1, at moment: Fault.Moment = .before,
        _ reaction: @escaping @Sendable (Reaction) -> Reaction
    ) {
        state.withLock { $0.faults.append(Fault(operation: operation, times: times, moment: moment, reaction: reaction)) }
    }

    func fail(_ operation: Operation, times: Int = 1, at moment: Fault.Moment = .before, _ reaction: Reaction) {
        fail(operation, times: times, at: moment) { _ in reaction }
    }

    func react(_ request: ReceivedRequest) -> Reaction {
        state.withLock { state in
            let operation = FaultyStore.operation(request)
            state.seen.append((operation, request))
            guard let index = state.faults.firstIndex(where: { $0.operation == operation && $0.times > 0 }) else {
                return FaultyStore.perform(operation, request, &state)
            }
            state.faults[index].times -= 1
            let fault = state.faults[index]
            guard fault.moment == .after else { return fault.reaction(.cut) }
            return fault.reaction(FaultyStore.perform(operation, request, &state))
        }
    }

    static func error(_ status: Int, _ code: String) -> Reaction {
        .answer(status: status, body: Array("<Error><Code>\(code)</Code><Message>It says secret things</Message></Error>".utf8))
    }

    private static func operation(_ request: ReceivedRequest) -> Operation {
        switch (request.method, request.query["uploadId"], request.query["uploads"]) {
        case ("PUT", nil, _): .put
        case ("PUT", _?, _): .part
        case ("POST", nil, _?): .start
        case ("POST", _?, _): .complete
        case ("DELETE", nil, _): .delete
        case ("DELETE", _?, _): .abort
        case ("HEAD", _, _): .head
        case ("GET", _, nil): .get
        default: .other
        }
    }

    private static func perform(_ operation: Operation, _ request: ReceivedRequest, _ state: inout State) -> Reaction {
        let marker = request.headers["x-amz-meta-waybill-writer"]
        let id = request.query["uploadId"] ?? ""
        let isTaken = request.headers["if-none-match"] == "*" && state.objects[request.path] != nil
        switch operation {
        case .put:
            if isTaken { return error(412, "PreconditionFailed") }
            state.objects[request.path] = Object(bytes: request.body, marker: marker, tag: tag(request.body))
            let checksum = request.headers["x-amz-checksum-sha256"].map { [("x-amz-checksum-sha256", $0)] } ?? []
            return .answer(status: 200, headers: [("etag", tag(request.body))] + checksum)
        case .start:
            state.counter += 1
            state.uploads["upload-\(state.counter)"] = Upload(path: request.path, marker: marker)
            return .answer(status: 200, body: Array("<R><UploadId>upload-\(state.counter)</UploadId></R>".utf8))
        case .part:
            guard state.uploads[id] != nil, let number = Int(request.query["partNumber"] ?? "") else {
                return error(404, "NoSuchUpload")
            }
            state.uploads[id]?.parts[number] = request.body
            return .answer(status: 200, headers: [("etag", tag(request.body))])
        case .complete:
            guard let upload = state.uploads[id] else { return error(404, "NoSuchUpload") }
            if isTaken { return error(412, "PreconditionFailed") }
            let bytes = upload.parts.sorted { $0.key < $1.key }.flatMap(\.value)
            state.objects[request.path] = Object(bytes: bytes, marker: upload.marker, tag: tag(bytes))
            state.uploads[id] = nil
            return .answer(
                status: 200, body: Array("<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>".utf8))
        case .abort:
            return state.uploads.removeValue(forKey: id) == nil ? error(404, "NoSuchUpload") : .answer(status: 204)
        case .delete:
            state.objects[request.path] = nil
            return .answer(status: 204)
        case .head, .get: return read(request, state)
        case .other: return .answer(status: 200)
        }
    }

    private static func read(_ request: ReceivedRequest, _ state: State) -> Reaction {
        guard let object = state.objects[request.path] else { return error(404, "NoSuchKey") }
        if let wanted = request.headers["if-match"], wanted != object.tag { return error(412, "PreconditionFailed") }
        var headers = [("etag", object.tag)]
        if let marker = object.marker { headers.append(("x-amz-meta-waybill-writer", marker)) }
        guard request.method == "GET" else {
            return .answer(status: 200, headers: headers + [("content-length", "\(object.bytes.count)")])
        }
        guard let match = request.headers["range"]?.wholeMatch(of: /bytes=(\d+)-(\d*)/), let first = Int(match.1) else {
            return .answer(status: 200, headers: headers, body: object.bytes)
        }
        let last = min(object.bytes.count - 1, Int(match.2) ?? .max)
        guard first <= last else { return error(416, "InvalidRange") }
        headers.append(("content-range", "bytes \(first)-\(last)/\(object.bytes.count)"))
        return .answer(status: 206, headers: headers, body: Array(object.bytes[first...last]))
    }

    private static func tag(_ bytes: [UInt8]) -> String {
        "\"" + Insecure.MD5.hash(data: bytes).map { String($0, radix: 16) }.joined() + "\""
    }
}
