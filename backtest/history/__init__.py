"""The candle history on disk: candles as rows, one Parquet file a market, and their download."""
