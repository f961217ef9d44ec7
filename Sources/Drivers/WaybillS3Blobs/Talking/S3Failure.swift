import WaybillBlobs

/// One try that did not work.
struct S3Failure: Error, Hashable {
    enum Effect: Sendable { case none, unknown }

    /// Of the answer; 0 if there was none.
    var status = 0
    /// Of the answer's error document, or a word of our own.
    var code: String
    /// Whether the store may have done what was asked all the same.
    var effect: Effect
    /// Whether it is worth another try.
    var isTransient: Bool
    /// How long the store asks to wait.
    var retryAfter = Duration.zero
    var requestID = ""

    /// No answer, or not all of it.
    static func broken(_ what: String, effect: Effect = .unknown) -> S3Failure {
        S3Failure(code: what, effect: effect, isTransient: true)
    }

    /// What was answered can't be what was asked for, but the next try may be better.
    static func wrong(_ what: String, status: Int = 200) -> S3Failure {
        S3Failure(status: status, code: what, effect: .unknown, isTransient: true)
    }

    private static let passing: Set<String> = [
        "SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "RequestTimeoutException", "Throttling",
        "ThrottlingException", "RequestLimitExceeded", "TooManyRequests", "OperationAborted", "ConditionalRequestConflict",
        "BadDigest", "XAmzContentSHA256Mismatch", "IncompleteBody", "BandwidthLimitExceeded",
    ]
    private static let refusedUndone: Set<String> = [
        "SlowDown", "ServiceUnavailable", "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequests",
        "RequestTimeout", "BadDigest", "XAmzContentSHA256Mismatch", "IncompleteBody",
    ]

    init(code: String, effect: Effect, isTransient: Bool) {
        self.code = code
        self.effect = effect
        self.isTransient = isTransient
    }

    init(status: Int, code: String, effect: Effect, isTransient: Bool) {
        self.init(code: code, effect: effect, isTransient: isTransient)
        self.status = status
    }

    /// Reads an answer that tells of an error.
    init(status: Int, headers: [String: String], body: [UInt8]) {
        let document = S3XML(body).flatMap { $0.name == "Error" ? $0 : $0.children.first { $0.name == "Error" } }
        let word = document?["Code"].flatMap { $0.utf8.allSatisfy(S3Failure.isWordByte) && $0.utf8.count <= 64 ? $0 : nil }
        code = word ?? "HTTP \(status)"
        self.status = status
        let isServerError = status >= 500 && status != 501
        isTransient = isServerError || status == 429 || status == 408 || S3Failure.passing.contains(code)
        effect = (isServerError && !S3Failure.refusedUndone.contains(code)) || status == 200 ? .unknown : .none
        // Up to an hour, so that a strange number does not overflow.
        retryAfter = .seconds(min(3600, max(0, headers["retry-after"].flatMap { Int64($0) } ?? 0)))
        requestID = (document?["RequestId"] ?? headers["x-amz-request-id"] ?? "").filter {
            $0.isLetter || $0.isNumber || $0 == "-"
        }
    }

    private static let ofCredentials: Set<String> = [
        "ExpiredToken", "InvalidToken", "TokenRefreshRequired", "InvalidAccessKeyId", "SignatureDoesNotMatch",
    ]

    /// Whether other credentials may be let in. An answer to HEAD does not say why.
    var mayBeForCredentials: Bool {
        (400...403).contains(status) && (S3Failure.ofCredentials.contains(code) || code == "HTTP \(status)")
    }

    private static func isWordByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: false
        }
    }

    /// What it is to the caller of the store. The words of the store are left out: they may quote what was signed.
    func blobError(_ what: String) -> BlobError {
        let request = requestID.isEmpty ? "" : ", request \(requestID.prefix(64))"
        return BlobError(blobCode, "\(what): \(explanation)\(request)")
    }

    private var blobCode: BlobError.Code {
        switch code {
        case "NoSuchKey": return .notFound
        case "NoSuchUpload": return .unavailable
        case "QuotaExceeded", "QuotaExceededException", "EntityTooLarge", "XMinioStorageFull", "InsufficientStorage": return .full
        case "BadDigest", "XAmzContentSHA256Mismatch", S3Failure.damage: return .damaged
        default: break
        }
        if isTransient { return status == 507 ? .full : .unavailable }
        switch status {
        case 404 where code == "HTTP 404": return .notFound
        case 412: return .exists
        default: return .other
        }
    }

    static let damage = "the store says another checksum or length"

    private var explanation: String {
        switch code {
        case "NoSuchBucket": "there is no such bucket (NoSuchBucket)"
        case "RequestTimeTooSkewed": "the clocks of this machine and of the store differ too much (RequestTimeTooSkewed)"
        case "SignatureDoesNotMatch": "the secret key or the region is wrong (SignatureDoesNotMatch)"
        case "InvalidAccessKeyId": "the store does not know the access key (InvalidAccessKeyId)"
        case "ExpiredToken": "the credentials have expired (ExpiredToken)"
        case "AccessDenied": "the credentials are not allowed to do this (AccessDenied)"
        default:
            (300..<400).contains(status) ? "the store sends elsewhere; endpoint, region or style is wrong (\(code))" : code
        }
    }
}
