import HTTPTypes
import Web

extension Problem {
    /// What an upload refuses, for the protocols that tell it as a problem.
    static func upload(_ refusal: UploadRefusal) -> Problem {
        switch refusal {
        case .ended(let status):
            Problem(.init(409, "UPLOAD_ENDED", "The upload has ended"), "the upload is \(status.rawValue)")
                .with("uploadStatus", .string(status.rawValue))
        case .noSuchChunk(let count):
            .invalid("chunkIndex", count > 0 ? "must be from 0 to \(count - 1)" : "the file has no chunks")
        case .sizeUnknown: Problem(.init(409, "SIZE_UNKNOWN", "The size is not known"), "the upload's size was not said yet")
        case .stored(let chunk):
            Problem(.init(409, "CHUNK_STORED", "The chunk is there"), "chunk \(chunk) was stored before, and stays as it is")
        case .wrongLength(let expected): .invalid("chunk", "must have \(expected) bytes")
        case .tooLarge(let max): tooLarge(bytesMax: Int(clamping: max))
        case .tooManyGaps:
            Problem(
                .init(409, "TOO_MANY_GAPS", "There are too many gaps"), "send the chunks that lie before the stored ones first")
        case .wrongOffset(let expected):
            Problem(.init(409, "OFFSET_MISMATCH", "The offset is another one"), "bytes are taken from \(expected) on")
                .with("expectedOffset", .integer(expected))
        case .incomplete(let missing, let count):
            Problem(
                .init(409, "CHUNKS_MISSING", "The upload is not whole"),
                "\(count) chunks are missing; send them, then complete again"
            )
            .with("missingChunks", .array(missing.map { .integer($0) })).with("missingCount", .integer(count))
        case .isPart:
            Problem(.init(409, "UPLOAD_IS_PART", "The upload is a part"), "files are joined from it; it becomes none by itself")
        case .isSealed: Problem(.init(409, "UPLOAD_IS_SEALED", "The part is whole"), "it takes no more bytes")
        case .isJoined:
            Problem(.init(403, "UPLOAD_IS_JOINED", "The upload is joined from parts"), "it takes no bytes of its own")
        case .notAPart: .invalid("Upload-Concat", "names an upload that is no part")
        case .isFinishing:
            Problem(
                .init(409, "UPLOAD_FINISHING", "The upload is whole"), "a file is being made of it; complete it to hear of it")
        case .unfinished(let reason):
            Problem(
                .init(409, "UPLOAD_UNFINISHED", "No file could be made of the upload"),
                "\(reason) The upload is whole; complete it to try again")
        case .passwordGone:
            gone("the password for the file can't be opened: the installation's key was changed; the upload has failed")
        case .takenOver:
            Problem(.init(409, "UPLOAD_TAKEN_OVER", "A newer request has taken the upload over"), "ask how far it is")
        case .otherLength(let known): .invalid("size", "is \(known), as was said before")
        case .otherHash:
            Problem(
                .init(422, "HASH_MISMATCH", "The bytes are not those that were announced"),
                "the SHA-256 of what came is another one; the upload has failed")
        case .elsewhere:
            Problem(.init(503, "UPLOAD_ELSEWHERE", "The upload is at another node"), "its bytes are at another node; come again")
                .header(.retryAfter, "1")
        case .lost: gone("the bytes that were stored are not there any more; the upload has failed")
        }
    }

    static func quotaFull(_ full: QuotaFull) -> Problem {
        let usage = full.usage
        var problem = Problem(
            .init(403, "QUOTA_FULL", "The quota has no room left"),
            "the \(full.whose == .tenant ? "tenant's" : "account's") quota has no room for \(full.wanted) bytes more"
        )
        .with("used", .integer(usage.used.bytes)).with("reserved", .integer(usage.reserved.bytes))
        .with("usedFiles", .integer(usage.used.files)).with("reservedFiles", .integer(usage.reserved.files))
        if let max = usage.bytesMax { problem = problem.with("limit", .integer(max)) }
        if let max = usage.filesMax { problem = problem.with("limitFiles", .integer(max)) }
        return problem
    }

    /// The errors of this door as problems; others as they are.
    static func drive(_ error: any Error) -> any Error {
        switch error {
        case let refusal as UploadRefusal: upload(refusal)
        case let full as QuotaFull: quotaFull(full)
        default: error
        }
    }
}
