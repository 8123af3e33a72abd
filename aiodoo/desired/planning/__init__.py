"""Computes plans from listed and wanted webhook configurations, and stores them in files."""
