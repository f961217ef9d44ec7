import AgeFiles
import HTTPTypes
import WaybillBlobs
import Web

/// What is in an encrypted file: read by ranges, of which no more is opened than the chunks that have them.
struct EncryptedContent: BlobReading {
    private let pieces: ByteLayout
    private let store: any BlobStore
    private let ranges: AgeRanges

    var length: Int64 { ranges.length }

    /// - Parameter pieces: the file as it is stored.
    /// - Throws: a problem: 403 without the password, or with another one.
    init(_ pieces: ByteLayout, from store: any BlobStore, password: String?, _ work: PasswordWork) async throws {
        guard let password else {
            throw Problem(
                .init(403, "PASSWORD_REQUIRED", "The file is encrypted"),
                "send its password in \(FilePassword.field.rawName): \(FilePassword.hint)")
        }
        var head: [UInt8] = []
        for try await chunk in pieces.read(0..<Int64(AgeRanges.headBytes), from: store) { head += chunk }
        do {
            ranges = try await work.work { [head] in
                try AgeRanges(head: head, fileLength: pieces.length, opening: AgeKeyring(passphrases: [password]))
            }
        } catch let error as AgeError where error.code == .noKeyFits {
            throw Problem(.init(403, "PASSWORD_WRONG", "The password is another one"), "it does not open the file")
        } catch is AgeError {
            throw Problem(.artifactDamaged, "the encrypted file can't be read any more")
        }
        (self.pieces, self.store) = (pieces, store)
    }

    func read(_ key: BlobKey, range: Range<Int64>) async throws -> BlobChunks {
        let opening = Opening(pieces.read(ranges.place(of: range), from: store), ranges.reader(range))
        return BlobChunks { try await opening.next() }
    }

    /// Opens chunks as they are pulled, by one task at a time.
    private actor Opening {
        private let closed: BlobChunks
        private var reader: AgeRangeReader
        private var isOver = false

        init(_ closed: BlobChunks, _ reader: AgeRangeReader) {
            (self.closed, self.reader) = (closed, reader)
        }

        func next() async throws -> [UInt8]? {
            while !isOver {
                var iterator = closed.makeAsyncIterator()
                let chunk = try await iterator.next()
                isOver = chunk == nil
                let bytes = try open(chunk)
                if !bytes.isEmpty { return bytes }
            }
            return nil
        }

        /// - Parameter chunk: nil: there are no more.
        private func open(_ chunk: [UInt8]?) throws(BlobError) -> [UInt8] {
            do throws(AgeError) {
                if let chunk { return try reader.append(chunk) }
                return try reader.finish()
            } catch {
                throw BlobError(.damaged, "an encrypted file can't be opened: \(error)")
            }
        }
    }
}
