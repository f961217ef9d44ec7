/// What an upload does not take. Each protocol says it in its own words.
enum UploadRefusal: Error, Sendable, Hashable {
    /// It has ended.
    case ended(Upload.Status)
    /// There are chunks from 0 to one before this.
    case noSuchChunk(count: Int64)
    case sizeUnknown
    /// The chunk is there.
    case stored(chunk: Int64)
    /// The chunk, or the body, has another length than it must have.
    case wrongLength(expected: Int64)
    /// More than may be.
    case tooLarge(max: Int64)
    /// More gaps than can be remembered: what lies before must come first.
    case tooManyGaps
    /// Bytes must be appended at this place.
    case wrongOffset(expected: Int64)
    /// These chunks are missing, and perhaps more.
    case incomplete(missing: [Int64], count: Int64)
    /// It is a part, and becomes no file.
    case isPart
    /// It is a part whose bytes are all there.
    case isSealed
    /// It is joined from parts, and takes no bytes.
    case isJoined
    /// Something is to be a part that is none.
    case notAPart
    /// All its bytes are there, and a job makes a file of them.
    case isFinishing
    /// The job that was to make a file of it has failed. The next one that asks begins another.
    case unfinished(reason: String)
    /// A newer request has taken the upload over.
    case takenOver
    /// The length that is said now is not the one that was said before.
    case otherLength(known: Int64)
    /// The bytes that came are not those that were announced.
    case otherHash(announced: [UInt8], found: [UInt8])
    /// Its bytes are at another node.
    case elsewhere
    /// The password for its file can't be opened any more.
    case passwordGone
    /// What was durable is not there any more.
    case lost
}
