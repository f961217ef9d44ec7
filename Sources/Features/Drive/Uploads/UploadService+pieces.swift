import Logging
import SeededBugs
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import Web

extension UploadService {
    /// Makes bytes durable: where they are, or as a blob of their own.
    /// - Returns: the piece that its row has to tell of; nil if they lie in a staged file, or there are none.
    func keep(_ bytes: ReceivedBytes, of upload: Upload) async throws -> PieceStore.Piece? {
        guard !bytes.range.isEmpty else { return nil }
        switch bytes.target {
        case .file(let file):
            if !SeededBug.acknowledgesBeforeSync { try await file.flush() }
            return nil
        case .piece(let gathered):
            let piece = PieceStore.Piece(of: upload, bytes.range, feature.floor.random)
            let key = try DriveKeys.blob(ofPart: piece.part, upload.tenant, in: piece.store)
            // Each holds the memory of a part on its way. Nobody slow is among those who wait: the bytes have come.
            try await feature.putPlaces.take()
            defer { feature.putPlaces.give() }
            try await gathered.put(bytes.range, at: key, in: feature.blobs)
            return piece
        }
    }

    /// Removes a piece that its upload has not taken. Where it is not known whether it has, or this fails, the sweep finds it.
    func discard(_ piece: PieceStore.Piece, of upload: Upload, after error: any Error) async {
        guard error is UploadRefusal || error is Problem || error is QuotaFull else { return }
        do {
            try await feature.blobs.delete(try DriveKeys.blob(ofPart: piece.part, upload.tenant, in: piece.store))
        } catch {
            feature.floor.logger.debug("a piece could not be removed yet", metadata: ["error": "\(error)"])
        }
    }

    /// Whether this node can reach the bytes of an upload.
    /// - Throws: `BlobError` if the store that its file is to lie in is not there.
    func reaches(_ upload: Upload) throws -> Bool {
        let place = try feature.staging(of: upload).place
        return upload.role == .joined || upload.isPieced || upload.place == place
    }

    /// Whether the end of an upload takes writing its bytes to the store: they are not there yet, or in too many pieces.
    func copiesBytes(_ upload: Upload) async throws -> Bool {
        guard upload.isPieced else { return try feature.staging(of: upload).copiesBytes }
        guard upload.role == .file || upload.role == .part else { return false }
        let (count, bytes) = try await feature.database.read(of: upload.tenant) {
            try PieceStore().figures(of: upload.id.text, upload.tenant, in: $0)
        }
        return feature.configuration.merging.isDue(pieces: count, bytes: bytes)
    }
}

/// When the pieces of an upload are written anew as one blob, since whoever reads the file would have to ask for too many.
public struct PieceMerging: Sendable, Hashable {
    /// How long they are to be on the average, but for the last one.
    public var bytesMin: Int64
    public var piecesMax: Int

    public init(bytesMin: Int64 = 1 << 20, piecesMax: Int = 10_000) {
        (self.bytesMin, self.piecesMax) = (bytesMin, piecesMax)
    }

    func isDue(pieces: Int, bytes: Int64) -> Bool {
        pieces > piecesMax || bytes < Int64(pieces - 1) * bytesMin
    }
}
