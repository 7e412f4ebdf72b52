"""Tables of other programs (OpenFace, py-feat, LibreFace, any CSV or Parquet) to the dataset folder."""
